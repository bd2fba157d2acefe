/**
 * The same HTTP server twice, on node:net and on our streams, with a log of all that happens on it; and
 * a client that says what it likes. For tests that ask whether the two differ.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { connect as netConnect, type Socket } from 'node:net';
import { serveHttp } from '../../src/http/server/serve-http';
import { TcpServer } from '../../src/net/server/tcp-server';
import { next, until } from './until';

/** On what an HTTP server runs. */
export type Ground = 'node' | 'level' | 'edge';

/** What was told, by whom: the order is kept for each, not between them, which is no promise. */
export type Log = Record<string, string[]>;

/** A server of one of the kinds. */
export class Rig {
  readonly http: Server;
  readonly log: Log = {};
  readonly #tcp: TcpServer | null;
  #open = 0;
  /** The latest that was accepted. */
  socket: Socket | null = null;

  constructor(ground: Ground, options: ServerOptions = {}) {
    this.#tcp = ground === 'node' ? null : new TcpServer({ port: 0, trigger: ground });
    this.http = this.#tcp === null ? createServer(options) : serveHttp(this.#tcp, options);
    this.http.on('connection', (socket: Socket) => {
      this.#open += 1;
      this.socket = socket;
      socket.on('end', () => this.note('socket', 'end'));
      socket.on('error', (error: NodeJS.ErrnoException) =>
        this.note('socket', `error ${error.code}`),
      );
      socket.on('close', (hadError) => {
        this.#open -= 1;
        this.note('socket', `close ${hadError}`);
      });
    });
  }

  async listening(): Promise<number> {
    if (this.#tcp !== null) return this.#tcp.port;
    this.http.listen(0, '127.0.0.1');
    await next(this.http, 'listening');
    return (this.http.address() as { port: number }).port;
  }

  note(who: string, what: string): void {
    this.log[who] ??= [];
    this.log[who].push(what);
  }

  /** Log what happens to a request and its response. */
  follow(request: IncomingMessage, response: ServerResponse): void {
    const { url = '' } = request;
    this.note(url, request.method ?? '');
    request.on('end', () => this.note(`${url} request`, 'end'));
    request.on('error', (error) => this.note(`${url} request`, `error ${error.message}`));
    request.on('close', () => this.note(`${url} request`, `close, complete ${request.complete}`));
    for (const event of ['finish', 'close']) {
      response.on(event, () =>
        this.note(`${url} response`, `${event}, ended ${response.writableEnded}`),
      );
    }
  }

  /** No connection is left. */
  async idle(): Promise<void> {
    await until(() => this.#open === 0);
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    if (this.#tcp === null) this.http.close();
    else this.#tcp.destroy();
    await this.idle();
  }
}

/** A client that is no HTTP client. */
export class RawClient {
  readonly socket: Socket;
  closed = false;
  #text = '';

  constructor(port: number) {
    this.socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  /** All that came, without dates; of a long run of `x`, how long it is. */
  get text(): string {
    const dateless = this.#text.replace(/Date: [^\r]*\r\n/g, '');
    return dateless.replace(/x{1000,}/g, ({ length }) => `<${length} x>`);
  }

  /** What came is nobody's business: it depends on the moment. */
  forget(): void {
    this.#text = '';
  }

  /** Wait until `text` has come. */
  async got(text: string): Promise<void> {
    await until(() => this.#text.includes(text));
  }

  /** Wait for the server's end, and answer it. */
  async ended(): Promise<void> {
    await until(() => this.socket.readableEnded || this.closed);
    this.socket.end();
    await until(() => this.closed);
  }

  /** End, and wait until the server has. */
  async leave(): Promise<void> {
    this.socket.end();
    await this.ended();
  }
}
