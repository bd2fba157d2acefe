/**
 * The async context of the loop's callbacks: outside any AsyncLocalStorage of the code that
 * happened to start the loop. Without this, the handlers of every other fd of the loop would see
 * the first caller's store (one request's user, say) for ever. A listener that wants its own
 * context binds it: `AsyncResource.bind(listener)`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Call `start` in the context this module was loaded in. */
export const outsideCallers: <R>(start: () => R) => R = AsyncLocalStorage.snapshot();
