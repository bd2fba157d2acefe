/**
 * The servers in front of the connections of a server: one HTTP server at a time, and the WebSocket
 * servers that share it by path. Two that would take all connections are refused by name.
 *
 * A WebSocketServer alone has an HTTP server of its own. If `serveHttp` comes later, new connections
 * go to that one, and the upgrades among their requests to the same routes.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { serverTaken } from '../../base/errors';
import type { FdDuplex } from '../../net/duplex/fd-duplex';
import type { StreamServer } from '../../net/server/stream-server';
import { answerHalfClosed, checkServer, closeTogether } from './close-together';
import { HTTP_LIMITS, protect, spareSlow, WEB_SOCKET_LIMITS } from './default-limits';
import { connectionOf, HttpConnections } from './http-connection';
import { followRequests } from './request-rate';
import { interceptEvents } from './server-events';
import { upgradeMessage } from './upgrade-message';
import { offersWebSocket, type UpgradeRoute, UpgradeRoutes } from './upgrade-routes';

/** Whose all connections of a server are; `front`: of an HTTP server, which can be shared. */
type Owner = { name: string; front: HttpFront | null };

const owners = new WeakMap<StreamServer, Owner>();

/** Listens to `upgrade`, so that node:http hands upgrades over; they are caught before it. */
const caught = (): void => {};

/** Throws a TypeError if `server` is none of ours, and an Error ERR_SERVER_TAKEN for one in use. */
export function checkFree(server: StreamServer, name: string): void {
  checkServer(server);
  const owner = owners.get(server);
  if (owner !== undefined && owner.front?.isUsed !== false) throw serverTaken(name, owner.name);
}

/** All connections of `server` are `name`'s, and cannot be shared. */
export function takeServer(server: StreamServer, name: string): void {
  owners.set(server, { name, front: null });
}

/** The front of `server`, for `name`; made if there is none. Throws as {@link checkFree}. */
export function frontOf(server: StreamServer, name: string): HttpFront {
  checkServer(server);
  const owner = owners.get(server);
  if (owner?.front === null) throw serverTaken(name, owner.name);
  const front = owner?.front ?? new HttpFront(server);
  if (!front.isUsed) owners.set(server, { name, front });
  return front;
}

/** The HTTP side of one server. */
export class HttpFront {
  readonly #server: StreamServer;
  readonly #routes = new UpgradeRoutes();
  /** The server that gets new connections; null before the first. */
  #http: Server | null = null;
  #connections: HttpConnections | null = null;
  /** Whether that is one of serveHttp. */
  #isServed = false;

  constructor(server: StreamServer) {
    this.#server = server;
  }

  /** Whether a server has taken it: not if the one that it was made for failed. */
  get isUsed(): boolean {
    return this.#http !== null;
  }

  /** For serveHttp: the one HTTP server of the program. Throws an Error if there is one. */
  serve(options: ServerOptions): Server {
    if (this.#isServed) throw serverTaken('serveHttp', 'serveHttp');
    const http = this.#open(options);
    this.#isServed = true;
    protect(this.#server, HTTP_LIMITS);
    return http;
  }

  /** For WebSocketServer. Without an HTTP server, one is made with `options`. Throws for a path that is taken. */
  share(route: UpgradeRoute, options: ServerOptions): void {
    this.#routes.add(route);
    if (this.#http === null) {
      const http = this.#open(options);
      http.on('request', (request, response) => this.#answer(request, response));
    } else if (!this.#http.listeners('upgrade').includes(caught)) {
      this.#http.on('upgrade', caught);
    }
    protect(this.#server, WEB_SOCKET_LIMITS);
  }

  #open(options: ServerOptions): Server {
    const http: Server = createServer({
      ...options,
      IncomingMessage: upgradeMessage(options.IncomingMessage, (request): boolean => {
        return this.#hasListeners(http) || offersWebSocket(request);
      }),
    } as ServerOptions);
    answerHalfClosed(http);
    if (this.#routes.size > 0) http.on('upgrade', caught);
    interceptEvents(http, 'upgrade', (emit, event, args) => {
      return this.#catch(http, args) || emit(event, ...args);
    });
    const connections = new HttpConnections(http);
    followRequests(http, connectionOf);
    if (this.#http === null) {
      this.#server.on('connection', (connection) => {
        const [http, connections] = [this.#http, this.#connections];
        if (http === null || connections === null) return;
        spareSlow(this.#server, connection, http);
        http.emit('connection', connections.streamOn(connection));
      });
    }
    this.#http = http;
    this.#connections = connections;
    closeTogether(this.#server, http, () => connections.closeIdle());
    return http;
  }

  /** Whether it was ours: the program may have other protocols, and other WebSocket servers. */
  #catch(http: Server, [request, stream, head]: unknown[]): boolean {
    const asked = request as IncomingMessage;
    const others = this.#hasListeners(http);
    if (others && !offersWebSocket(asked)) return false;
    const route = others ? this.#routes.find(asked) : this.#routes.findAny(asked);
    route?.onUpgrade({ request: asked, stream: stream as FdDuplex, head: head as Buffer });
    return route !== null;
  }

  /** Whether `upgrade` has a listener besides ours. */
  #hasListeners(http: Server): boolean {
    return http.listenerCount('upgrade') > (this.#routes.size > 0 ? 1 : 0);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#routes.answer(request, response)) return;
    response.writeHead(426, { 'Content-Type': 'text/plain', Upgrade: 'websocket' });
    response.end('this server speaks WebSocket only\n');
  }
}
