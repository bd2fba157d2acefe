/**
 * Which requests of an HTTP server belong to which WebSocket server on it: by path, so that several
 * of them, and a program that answers requests, share one listener.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pathTaken } from '../../base/errors';
import type { FdDuplex } from '../../net/duplex/fd-duplex';

/** A request that asks for another protocol, as node:http hands it over. */
export interface Upgrade {
  request: IncomingMessage;
  stream: FdDuplex;
  /** Bytes that came in the same piece as the end of the request. */
  head: Buffer;
}

/** Takes upgrades to WebSocket. */
export interface UpgradeRoute {
  /** Whose they are: those for this path; undefined for all that have no other owner. */
  readonly path: string | undefined;
  onUpgrade(upgrade: Upgrade): void;
  /** A plain request that no `serveHttp` answers. Returns false if this one does not either. */
  onRequest(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Scheme and authority of a request as proxies write it (RFC 9112, section 3.2.2). */
const AUTHORITY = /^[a-z][-+.0-9a-z]*:\/\/[^/?#]*/i;

/** The path of a request target, without its query. */
export function pathOf(target: string): string {
  const path = target.replace(AUTHORITY, '').split('?', 1)[0] as string;
  return path === '' ? '/' : path;
}

/** The words of a header that is a comma-separated list, in lower case. */
export function listOf(value: string | undefined): string[] {
  return (value ?? '').split(',').map((word) => word.trim().toLowerCase());
}

/** Whether `request` offers WebSocket, alone or among others (RFC 9110, section 7.8). */
export function offersWebSocket({ headers }: IncomingMessage): boolean {
  return listOf(headers.upgrade).includes('websocket');
}

/** The routes of one server. */
export class UpgradeRoutes {
  readonly #routes = new Map<string | undefined, UpgradeRoute>();

  get size(): number {
    return this.#routes.size;
  }

  /** Throws an Error ERR_SERVER_TAKEN that names the path, if it is another's already. */
  add(route: UpgradeRoute): void {
    if (this.#routes.has(route.path)) throw pathTaken(route.path);
    this.#routes.set(route.path, route);
  }

  /** Whose `request` is: of its path, or of all paths; null if there is neither. */
  find({ url = '' }: IncomingMessage): UpgradeRoute | null {
    return this.#routes.get(pathOf(url)) ?? this.#routes.get(undefined) ?? null;
  }

  /** As {@link find}; where that is null, any route, which refuses by itself. */
  findAny(request: IncomingMessage): UpgradeRoute | null {
    const [first = null] = this.#routes.values();
    return this.find(request) ?? first;
  }

  /** Have a plain request answered: by the route of its path, or by the first one that does. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.find(request)?.onRequest(request, response)) return true;
    for (const route of this.#routes.values()) {
      if (route.onRequest(request, response)) return true;
    }
    return false;
  }
}
