/**
 * Seeing the events of node:http and node:https. Not as a listener: to listen to `upgrade`,
 * `checkContinue` or `newSession` changes what they do.
 *
 * One `emit` of our own serves everything that looks at one server. Every request goes through it, so
 * it does for `request` no more than to call the watchers.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';

/** The callbacks for a request. */
export interface RequestWatcher {
  /** It is to be answered; called once, however many events it has. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /**
   * It hands its connection to another protocol. Returns the bytes that came behind it, if there are
   * any that node:http has not seen.
   */
  onTakeOver(request: IncomingMessage): Buffer | null;
}

/** An emit of events by name. */
export type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** Called for an event; `emit` does what the emitter itself would do. */
export type Interceptor = (emit: Emit, event: string | symbol, args: unknown[]) => boolean;

type HttpServer = Server | SecureServer | Http2SecureServer;

const interceptions = new WeakMap<HttpServer, Interception>();

/**
 * Have `through` called for `event` of `http`, or for every one if it is null. The function given last is
 * called first, and all of it after the watchers.
 */
export function interceptEvents(
  http: HttpServer,
  event: string | null,
  through: Interceptor,
): void {
  interceptionOf(http).add(event, through);
}

/** Call `watcher` for each request of `http` before all listeners. */
export function watchRequests(http: HttpServer, watcher: RequestWatcher): void {
  interceptionOf(http).watch(watcher);
}

function interceptionOf(http: HttpServer): Interception {
  let interception = interceptions.get(http);
  if (interception === undefined) {
    interception = new Interception(http);
    interceptions.set(http, interception);
  }
  return interception;
}

/** The functions that stand before the events of one server. */
class Interception {
  readonly #emit: Emit;
  /** The latest one first, as the next ones. */
  readonly #watchers: RequestWatcher[] = [];
  readonly #layers: { event: string | null; through: Interceptor }[] = [];
  /** Whether one of them takes `request`. */
  #takesRequests = false;
  /** Responses whose request came by another event, whose listener mostly emits `request` then. */
  #expecting: WeakSet<object> | null = null;

  constructor(http: HttpServer) {
    const { emit } = http as { emit: Emit };
    this.#emit = emit.bind(http);
    http.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event === 'request') this.#onRequest(args);
      else this.#onOther(event, args);
      if (event !== 'request' || this.#takesRequests) return this.#through(0, event, args);
      // Without a spread for what comes with every request.
      if (args.length === 2) return emit.call(http, event, args[0], args[1]);
      return emit.call(http, event, ...args);
    };
  }

  add(event: string | null, through: Interceptor): void {
    this.#layers.unshift({ event, through });
    this.#takesRequests ||= event === null || event === 'request';
  }

  watch(watcher: RequestWatcher): void {
    this.#watchers.unshift(watcher);
  }

  #onRequest(args: unknown[]): void {
    const request = args[0] as IncomingMessage;
    const response = args[1] as ServerResponse;
    if (this.#expecting?.has(response)) return;
    for (let index = 0; index < this.#watchers.length; index += 1) {
      (this.#watchers[index] as RequestWatcher).onRequest(request, response);
    }
  }

  #onOther(event: string | symbol, args: unknown[]): void {
    if (event === 'checkContinue' || event === 'checkExpectation') {
      this.#onRequest(args);
      this.#expecting ??= new WeakSet();
      this.#expecting.add(args[1] as ServerResponse);
    } else if (event === 'upgrade' || event === 'connect') {
      for (const watcher of this.#watchers) {
        const rest = watcher.onTakeOver(args[0] as IncomingMessage);
        if (rest !== null && rest.length > 0) args[2] = Buffer.concat([args[2] as Buffer, rest]);
      }
    }
  }

  /** Call the layers from `index` on, and behind the last one the emitter itself. */
  #through(index: number, event: string | symbol, args: unknown[]): boolean {
    for (let next = index; next < this.#layers.length; next += 1) {
      const layer = this.#layers[next];
      if (layer === undefined || (layer.event !== null && layer.event !== event)) continue;
      const emit: Emit = (name, ...rest) => this.#through(next + 1, name, rest);
      return layer.through(emit, event, args);
    }
    return this.#emit(event, ...args);
  }
}
