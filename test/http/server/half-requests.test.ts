/**
 * Half a request at the shutdown of its server: what has begun is finished and answered, and what is
 * idle goes at once. The same with TLS and without.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { serveHttp } from '../../../src/http/server/serve-http';
import { serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
const clients: Socket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n';

describe.each(['http', 'https'] as const)('%s', (scheme) => {
  const isSecure = scheme === 'https';
  let open = 0;

  function serve(listener: Listener): void {
    tcp = new TcpServer({ port: 0 });
    const server = isSecure ? serveHttps(tcp, certificate(), listener) : serveHttp(tcp, listener);
    open = 0;
    server.on(isSecure ? 'secureConnection' : 'connection', () => {
      open += 1;
    });
  }

  /** A client with the text that it has got, whose handshake is over for the server too. */
  async function visitor() {
    const already = open;
    const whom = { host: '127.0.0.1', port: tcp.port };
    const socket = isSecure
      ? connectTls({ ...whom, ca: certificate().cert, servername: 'localhost' })
      : connectTcp(whom);
    clients.push(socket);
    const got = { socket, text: '', isEnded: false };
    socket.on('data', (chunk: Buffer) => {
      got.text += chunk.toString('latin1');
    });
    socket.on('error', (error) => {
      got.text += String(error);
    });
    socket.on('end', () => {
      got.isEnded = true;
    });
    await next(socket, isSecure ? 'secureConnect' : 'connect');
    await until(() => open > already);
    return got;
  }

  const received = (): number =>
    [...tcp.connections].reduce((sum, { bytesRead }) => sum + bytesRead, 0);

  /** Send what fits one segment; the server has read it when this resolves. */
  async function sendWhole(socket: Socket, text: string): Promise<void> {
    const before = received();
    socket.write(text);
    await until(() => received() > before);
  }

  /** Long enough for a server that closes what it takes for idle. */
  async function turns(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  }

  for (const [name, text, length] of [
    ['head', GET, 20],
    ['head, but for its last byte,', GET, GET.length - 1],
    ['body', `${POST}body`, POST.length + 2],
  ] as const) {
    for (const order of ['first', 'second'] as const) {
      withOpenssl(`half a ${name} of the ${order} request is finished and answered`, async () => {
        serve((request, response) => {
          request.resume();
          request.on('end', () => response.end('fine'));
        });
        const client = await visitor();
        if (order === 'second') {
          client.socket.write(GET);
          await until(() => client.text.endsWith('fine'));
          client.text = '';
        }
        await sendWhole(client.socket, text.slice(0, length));
        const result = tcp.shutdown({ deadlineMs: 100_000 });
        await turns();
        client.socket.write(text.slice(length));
        await until(() => client.isEnded);
        expect(client.text).toMatch(/^HTTP\/1.1 200 OK[\s\S]*connection: close[\s\S]*fine$/i);
        expect(await result).toEqual({ ended: 1, cut: 0 });
      });
    }
  }

  withOpenssl('a body whose answer was sent before it came whole ends the connection', async () => {
    const requests: IncomingMessage[] = [];
    serve((request, response) => {
      requests.push(request);
      response.end('early');
    });
    const client = await visitor();
    client.socket.write(`${POST}bo`);
    await until(() => client.text.endsWith('early'));
    const result = tcp.shutdown({ deadlineMs: 100_000 });
    await turns();
    client.socket.write('dy');
    await until(() => client.isEnded);
    expect([requests[0]?.complete, await result]).toEqual([true, { ended: 1, cut: 0 }]);
  });

  withOpenssl('what one connection has begun keeps no other that is idle', async () => {
    serve((_request, response) => response.end('fine'));
    const [idle, busy] = [await visitor(), await visitor()];
    for (const client of [idle, busy]) {
      client.socket.write(GET);
      await until(() => client.text.endsWith('fine'));
    }
    await sendWhole(busy.socket, GET.slice(0, 9));
    const result = tcp.shutdown({ deadlineMs: 100_000 });
    await until(() => idle.isEnded);
    expect([busy.isEnded, tcp.connections.size]).toEqual([false, 1]);
    busy.socket.end(GET.slice(9));
    expect(await result).toEqual({ ended: 2, cut: 0 });
  });

  withOpenssl('the shutdown of one connection leaves the idle ones alone', async () => {
    serve((_request, response) => response.end('fine'));
    const visitors = [await visitor(), await visitor()];
    for (const client of visitors) {
      client.socket.write(GET);
      await until(() => client.text.endsWith('fine'));
    }
    const [first, second] = tcp.connections;
    first?.requestEnd();
    await until(() => first?.closed === true);
    await turns();
    expect(second?.closed).toBe(false);
  });
});
