/**
 * Where the loop's callbacks run: outside any AsyncLocalStorage of whoever happened to start the
 * loop. Without this the first caller's store (one request's user, say) would be seen by the
 * handlers of every other fd of the loop, for ever. A listener that wants its own context binds it:
 * `AsyncResource.bind(listener)`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Call `start` in the context this module was loaded in. */
export const outsideCallers: <R>(start: () => R) => R = AsyncLocalStorage.snapshot();
