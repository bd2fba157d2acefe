/**
 * One rule for the `error` events of all emitters of this package, and what becomes of one without a
 * listener. The emitters are eventemitter3's (`instanceof` node:events says no), which itself drops
 * such an error. `test/base/unheard.test.ts` has all classes in one table.
 *
 * 1. The emitter has failed and is closing (a listener whose fd is gone, a source that cannot be
 *    read): {@link reportFailure}. Unheard, it is an uncaught exception, as with Node's own emitters:
 *    a server that is down must not look like one without clients.
 * 2. The emitter goes on (no fds, no memory; a verdict that does not come): {@link reportTrouble}.
 *    Clients can bring this about, so it must not end the process: unheard, it is a warning of the
 *    process, one in ten seconds for each emitter.
 * 3. A peer alone can cause it (a connection, a WebSocket, what the network answers to a datagram):
 *    {@link reportPeer}. Unheard, nothing more happens: no peer may end or flood the process. A
 *    connection and a WebSocket have the error in `close` too.
 *
 * An exception of a listener is uncaught in each case, and costs no other listener an event.
 */
import { warnUnheard } from './errors';

/** An emitter with the event `error`. If it has a loop, that raises its exceptions. */
interface ErrorEmitter {
  readonly loop?: { uncaught(error: unknown): void };
  emit(event: 'error', error: Error): boolean;
}

/** How long an emitter that has warned is silent. */
const WARNING_MS = 10_000;
const warnedAt = new WeakMap<ErrorEmitter, number>();
const relays = new WeakMap<ErrorEmitter, ErrorEmitter[]>();

/**
 * Rule 1. `isHeard` for an error that has another way out already: an async iterator has thrown it.
 * The caller closes `emitter`.
 */
export function reportFailure(emitter: ErrorEmitter, error: Error, isHeard = false): void {
  if (!reportPeer(emitter, error) && !isHeard) raiseFor(emitter, error);
}

/** Rule 2. */
export function reportTrouble(emitter: ErrorEmitter, error: Error): void {
  if (reportPeer(emitter, error)) return;
  const now = performance.now();
  if (now - (warnedAt.get(emitter) ?? -Infinity) < WARNING_MS) return;
  warnedAt.set(emitter, now);
  warnUnheard(emitter.constructor.name, error);
}

/** Rule 3. Returns whether there was a listener. */
export function reportPeer(emitter: ErrorEmitter, error: Error): boolean {
  let isHeard = emitted(emitter, error);
  for (const above of relays.get(emitter) ?? []) isHeard = emitted(above, error) || isHeard;
  return isHeard;
}

/** Errors of `from` are emitted by `to` as well: a listener at either has heard them. */
export function relayErrors(from: ErrorEmitter, to: ErrorEmitter): void {
  relays.set(from, [...(relays.get(from) ?? []), to]);
}

function emitted(emitter: ErrorEmitter, error: Error): boolean {
  try {
    return emitter.emit('error', error);
  } catch (thrown) {
    raiseFor(emitter, thrown);
    return true;
  }
}

function raiseFor(emitter: ErrorEmitter, error: unknown): void {
  if (emitter.loop === undefined) uncaught(error);
  else emitter.loop.uncaught(error);
}

/** Raise `error` as an uncaught exception, but not here: the caller has work to finish. */
export function uncaught(error: unknown): void {
  process.nextTick(raise, error);
}

function raise(error: unknown): never {
  throw error;
}
