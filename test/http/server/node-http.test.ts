/** node:http, both its server and its client, over streams on our connections. */
import { randomBytes } from 'node:crypto';
import {
  Agent,
  type ClientRequestArgs,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { serveHttp } from '../../../src/http/server/serve-http';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { answerTo, ask } from '../../support/http-client';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
let http: Server;
beforeEach(() => {
  tcp = new TcpServer({ port: 0 });
  http = serveHttp(tcp);
});
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

const BIG = 10_000_000;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Answers with what was asked. */
async function mirror(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  response.setHeader('X-Encoding', request.headers['transfer-encoding'] ?? 'length');
  if (request.url !== '/chunked') response.setHeader('Content-Length', body.length);
  for (let at = 0; at < body.length; at += 700_001) {
    response.write(body.subarray(at, at + 700_001));
  }
  response.end();
}

describe('the server', () => {
  test('10 MB both ways, with a length and chunked, on one connection', async () => {
    http.on('request', mirror);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const accepted = jest.fn();
    http.on('connection', accepted);
    const body = randomBytes(BIG);
    const common = { port: tcp.port, method: 'POST', agent };
    const sized = await ask({ ...common, headers: { 'Content-Length': BIG } }, body);
    const chunked = await ask({ ...common, path: '/chunked', headers: CHUNKED }, body);
    for (const { status, body: back } of [sized, chunked]) {
      expect([status, back.equals(body)]).toEqual([200, true]);
    }
    expect(sized.headers).toMatchObject({ 'x-encoding': 'length', 'content-length': `${BIG}` });
    expect(chunked.headers).toMatchObject({
      'x-encoding': 'chunked',
      'transfer-encoding': 'chunked',
    });
    for (let round = 0; round < 200; round += 1) {
      const { body: back } = await ask({ ...common }, `round ${round}`);
      expect(back.toString()).toBe(`round ${round}`);
    }
    expect(accepted).toHaveBeenCalledTimes(1);
    agent.destroy();
  }, 60_000);

  test('pipelined requests are answered in order, though the first takes longest', async () => {
    const held: (() => void)[] = [];
    http.on('request', (request, response) => {
      const answer = (): void => void response.end(`<${request.url}>`);
      if (request.url === '/1') held.push(answer);
      else answer();
      if (request.url === '/5') for (const one of held) one();
    });
    const peer = await client(tcp.port);
    const heads = [1, 2, 3, 4, 5].map((n) => `GET /${n} HTTP/1.1\r\nHost: x\r\n\r\n`);
    peer.write(heads.join(''));
    let text = '';
    peer.on('data', (chunk) => {
      text += chunk;
    });
    await until(() => text.includes('</5>'));
    expect(text.match(/<[^>]+>/g)).toEqual(['</1>', '</2>', '</3>', '</4>', '</5>']);
  });

  test('Expect: 100-continue, by node’s client: the body waits for the word', async () => {
    http.on('checkContinue', (request, response) => {
      response.writeContinue();
      void mirror(request, response);
    });
    const headers = { Expect: '100-continue', 'Content-Length': 5 };
    const sent = httpRequest({ port: tcp.port, method: 'POST', headers, agent: false });
    const answer = answerTo(sent);
    sent.flushHeaders();
    await next(sent, 'continue');
    sent.end('later');
    expect((await answer).body.toString()).toBe('later');
  });

  test('an upgrade, by node’s client: the stream is raw from then on', async () => {
    http.on('upgrade', (_request, stream: Duplex, head: Buffer) => {
      stream.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n',
      );
      stream.write(head);
      stream.pipe(stream);
    });
    const headers = { Connection: 'Upgrade', Upgrade: 'raw' };
    const sent = httpRequest({ port: tcp.port, headers, agent: false }).end();
    const [, socket] = await next<[IncomingMessage, Duplex]>(sent, 'upgrade');
    const bytes = randomBytes(3_000_000);
    socket.end(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('a client that leaves in the middle of a response: the response closes, and nothing is left', async () => {
    const closed: boolean[] = [];
    http.on('request', (_request, response) => {
      response.on('close', () => closed.push(response.writableFinished));
      response.write(Buffer.alloc(50_000_000));
    });
    const peer = await client(tcp.port);
    peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await receive(peer, 1_000);
    peer.resetAndDestroy();
    await until(() => closed.length === 1 && tcp.connections.size === 0);
    expect(closed).toEqual([false]);
  });

  test.each(['a reset', 'an end'])('%s in the middle of a request aborts it', async (kind) => {
    const told: string[] = [];
    http.on('request', (request) => {
      request.on('error', (error: NodeJS.ErrnoException) => told.push(error.code ?? ''));
      request.on('close', () => told.push(`complete: ${request.complete}`));
      request.once('data', () => (kind === 'an end' ? peer.end() : peer.resetAndDestroy()));
    });
    const peer = await client(tcp.port);
    peer.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
    await until(() => told.length === 2 && tcp.connections.size === 0);
    expect(told).toEqual(['ECONNRESET', 'complete: false']);
  });

  test('Connection: close closes, after the whole body', async () => {
    const body = randomBytes(BIG);
    http.on('request', (_request, response) => response.end(body));
    const peer = await client(tcp.port);
    peer.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const all = await receiveAll(peer);
    expect(all.toString('latin1', 0, 500)).toMatch(/\r\nConnection: close\r\n/);
    expect(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(body)).toBe(true);
  });

  test('HEAD has the length and no body, and the connection goes on', async () => {
    http.on('request', (_request, response) => {
      response.setHeader('Content-Length', 5);
      response.end('hello');
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const head = await ask({ port: tcp.port, method: 'HEAD', agent });
    expect([head.headers['content-length'], head.body.length]).toEqual(['5', 0]);
    expect((await ask({ port: tcp.port, agent })).body.toString()).toBe('hello');
    expect(tcp.connections.size).toBe(1);
    agent.destroy();
  });

  test('server.setTimeout: called with the socket, which is then the listener’s', async () => {
    http.setTimeout(50);
    http.on('request', () => {});
    const told = next<[FdDuplex]>(http, 'timeout');
    const peer = await client(tcp.port);
    peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [socket] = await told;
    expect(socket).toBeInstanceOf(FdDuplex);
    expect([socket.timeout, socket.destroyed]).toEqual([50, false]);
    socket.destroy();
    await receiveAll(peer);
  });

  test('server.setTimeout without a listener cuts', async () => {
    http.setTimeout(50);
    http.on('request', () => {});
    const peer = await client(tcp.port);
    peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await receiveAll(peer)).toHaveLength(0);
  });

  test('headersTimeout: a head that does not come gets a 408', async () => {
    const slow = new TcpServer({ port: 0 });
    serveHttp(slow, { headersTimeout: 50, connectionsCheckingInterval: 20 });
    const peer = await client(slow.port);
    peer.write('GET / HTTP/1.1\r\nHo');
    expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 408 /);
    slow.destroy();
  });

  test('closeIdleConnections closes those that wait, and no others', async () => {
    const answers: ServerResponse[] = [];
    http.on('request', (request, response) => {
      if (request.url === '/wait') answers.push(response);
      else response.end('done');
    });
    const [idle, busy] = [await client(tcp.port), await client(tcp.port)];
    idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    busy.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n');
    const closed = receiveAll(idle);
    await until(() => answers.length === 1 && idle.bytesRead > 0);
    await until(() => {
      // An answer is told as finished a tick after it has come.
      http.closeIdleConnections();
      return idle.closed;
    });
    expect((await closed).toString()).toMatch(/done/);
    answers[0]?.end('late');
    expect((await receive(busy, 15)).toString()).toBe('HTTP/1.1 200 OK');
  });
});

const CHUNKED = { 'Transfer-Encoding': 'chunked' };

/** An agent of node:http whose connections are ours. */
class EpollAgent extends Agent {
  readonly made: FdDuplex[] = [];

  override createConnection(
    { port }: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    connect({ port: Number(port), connectTimeoutMs: 20_000 }).then(
      (connection) => {
        const stream = new FdDuplex(connection);
        this.made.push(stream);
        callback(null, stream);
      },
      (error) => callback(error, undefined as never),
    );
  }
}

describe('the client', () => {
  let agent: EpollAgent;
  beforeEach(() => {
    agent = new EpollAgent({ keepAlive: true, maxSockets: 1 });
  });
  afterEach(async () => {
    agent.destroy();
    await until(() => agent.made.every(({ closed }) => closed));
  });

  test('many requests on one connection, and 10 MB both ways', async () => {
    http.on('request', mirror);
    const { port } = tcp;
    // An agent whose connections come later counts them only when they have come.
    await ask({ port, agent });
    const rounds = Array.from({ length: 50 }, (_, round) => `round ${round}`);
    const answers = await Promise.all(
      rounds.map((text) => ask({ port, method: 'POST', agent }, text)),
    );
    expect(answers.map(({ body }) => body.toString())).toEqual(rounds);
    const body = randomBytes(BIG);
    for (const path of ['/', '/chunked']) {
      const answer = await ask({ port, path, method: 'POST', agent, headers: CHUNKED }, body);
      expect(answer.body.equals(body)).toBe(true);
    }
    expect(agent.made.length).toBe(1);
    expect(tcp.connections.size).toBe(1);
  }, 60_000);

  test('a refused connection is the error of the request', async () => {
    const { port } = tcp;
    tcp.destroy();
    await expect(ask({ port, agent })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a server that cuts in the middle of an answer', async () => {
    http.on('request', ({ socket }, response) => {
      response.writeHead(200, { 'Content-Length': 1_000 });
      response.write('half', () => socket.destroy());
    });
    await expect(ask({ port: tcp.port, agent })).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('timeout of a request', async () => {
    http.on('request', () => {});
    const sent = httpRequest({ port: tcp.port, agent, timeout: 50 });
    sent.on('error', () => {});
    sent.end();
    await next(sent, 'timeout');
    sent.destroy();
    await next(sent, 'close');
  });

  test('against node’s own server', async () => {
    let plain: NetServer | null = null;
    const port = await new Promise<number>((resolve) => {
      plain = createServer((socket) => {
        socket.resume();
        socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
      });
      plain.listen(0, '127.0.0.1', () =>
        resolve(((plain as NetServer).address() as AddressInfo).port),
      );
    });
    expect((await ask({ port, agent })).body.toString()).toBe('abc');
    (plain as NetServer | null)?.close();
  });
});
