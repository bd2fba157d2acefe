/**
 * Seeing what node:http and node:https tell of requests. Not as a listener: to listen to `upgrade`,
 * `checkContinue` or `newSession` changes what they do.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';

/** What is told of a request. */
export interface RequestWatcher {
  /** It is to be answered; told once, however many events it has. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /**
   * It hands its connection to another protocol. Returns the bytes that came behind it, if there are
   * any that node:http has not seen.
   */
  onTakeOver(request: IncomingMessage): Buffer | null;
}

/** An emit of events by name. */
export type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** Have `through` called for each event of `http`, with what the emitter itself would do. */
export function interceptEvents(
  http: Server | SecureServer | Http2SecureServer,
  through: (emit: Emit, event: string | symbol, args: unknown[]) => boolean,
): void {
  const emit = http.emit.bind(http) as Emit;
  http.emit = (event: string | symbol, ...args: unknown[]): boolean => through(emit, event, args);
}

/** Have `watcher` told of each request of `http` before all listeners. */
export function watchRequests(
  http: Server | SecureServer | Http2SecureServer,
  watcher: RequestWatcher,
): void {
  // A listener of these mostly goes on by an event `request` of its own.
  const expecting = new WeakSet<object>();
  interceptEvents(http, (emit, event, args) => {
    const [request, response] = args as [IncomingMessage, ServerResponse];
    if (event === 'upgrade' || event === 'connect') {
      const rest = watcher.onTakeOver(request);
      if (rest !== null && rest.length > 0) args[2] = Buffer.concat([args[2] as Buffer, rest]);
    } else if (event === 'checkContinue' || event === 'checkExpectation') {
      expecting.add(response);
      watcher.onRequest(request, response);
    } else if (event === 'request' && !expecting.has(response)) {
      watcher.onRequest(request, response);
    }
    return emit(event, ...args);
  });
}
