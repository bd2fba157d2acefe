/**
 * Clients that send a request and end their half (`nc -N`, `shutdown(SHUT_WR)`): every handler's answer
 * reaches them, and then the connection closes. Also what came whole before something that is no
 * request.
 */
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { connect as netConnect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { serveFiles } from '../../../src/http/files/serve-files';
import { serveHttp } from '../../../src/http/server/serve-http';
import { serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const FILE = 'y'.repeat(300_000);

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
async function lengthOf(request: IncomingMessage): Promise<number> {
  let length = 0;
  for await (const chunk of request) length += (chunk as Buffer).length;
  return length;
}

const LISTENERS: Record<string, RequestListener> = {
  'a promise': async (_request, response) => {
    await null;
    response.end('<0>');
  },
  'for await': async (request, response) => void response.end(`<${await lengthOf(request)}>`),
  'after 20 ms': async (request, response) => {
    const length = await lengthOf(request);
    await later();
    response.end(`<${length}>`);
  },
};

const GET = 'GET /file HTTP/1.1\r\nHost: x\r\n\r\n';
const LENGTH = 'POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED =
  'POST /file HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';

const GARBAGE = '\x01garbage\r\n\r\n';

let tcp: TcpServer;
let http: Server;

function serve(isSecure: boolean, listener: RequestListener): void {
  tcp = destroyLater(new TcpServer({ port: 0 }));
  http = isSecure ? serveHttps(tcp, certificate(), listener) : serveHttp(tcp, listener);
}

/** Send `bytes` and end in the same turn, or `end` in a later one. Resolves to all that came. */
async function ask(
  isSecure: boolean,
  bytes: string,
  whenToEnd: 'at once' | 'later',
): Promise<string> {
  const base = netConnect({ port: tcp.port, host: '127.0.0.1', allowHalfOpen: true });
  const socket: Socket = isSecure
    ? tlsConnect({ socket: base, ca: certificate().cert, servername: 'localhost' })
    : base;
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  // Where everything is answered at once, the server may have closed before anybody looks.
  let isOver = false;
  socket.once('end', () => {
    isOver = true;
  });
  await next(socket, isSecure ? 'secureConnect' : 'connect');
  if (whenToEnd === 'at once') socket.end(bytes);
  else {
    socket.write(bytes);
    const isRead = (): boolean =>
      [...tcp.connections].some(({ bytesRead }) => bytesRead >= bytes.length);
    await until(() => isOver || isRead());
    socket.end();
  }
  await next(base, 'close');
  return text;
}

describe.each(['plain', 'TLS'] as const)('%s', (ground) => {
  const isSecure = ground === 'TLS';
  const run = isSecure ? withOpenssl : test;

  for (const name of ['after 20 ms', 'at once']) {
    run(`${name}: whole requests are answered before the garbage behind them`, async () => {
      serve(isSecure, LISTENERS[name] ?? ((_request, response) => void response.end('<0>')));
      for (const [bytes, count] of [
        [GET, 1],
        [LENGTH, 1],
        [CHUNKED + GET, 2],
      ] as const) {
        for (const whenToEnd of ['at once', 'later'] as const) {
          const text = await ask(isSecure, bytes + GARBAGE, whenToEnd);
          const found = text.split('HTTP/1.1 ').map((part) => part.slice(0, 3));
          expect(found.slice(1)).toEqual([...Array(count).fill('200'), '400']);
        }
      }
      await until(() => tcp.connections.size === 0);
    });
  }

  run(
    'a body that is garbage owes no answer, and the listener of clientError has the last word',
    async () => {
      serve(isSecure, (request, response) => {
        if (request.method === 'GET') later().then(() => response.end('<0>'));
        else request.on('error', () => {});
      });
      const codes: (string | undefined)[] = [];
      http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        codes.push(error.code);
        socket.end('HTTP/1.1 418 Teapot\r\n\r\n');
      });
      const text = await ask(isSecure, GET + CHUNKED.replace('5\r\n', 'zz\r\n'), 'later');
      expect(text.split('HTTP/1.1 ').map((part) => part.slice(0, 3))).toEqual(['', '200', '418']);
      expect(codes[0]).toBe('HPE_INVALID_CHUNK_SIZE');
    },
  );

  for (const name of [...Object.keys(LISTENERS), 'files']) {
    run(`${name}: every whole request is answered, then the connection closes`, async () => {
      const isFiles = name === 'files';
      const folder = makeFolder();
      writeFileSync(join(folder, 'file'), FILE);
      serve(isSecure, LISTENERS[name] ?? serveFiles(folder));
      const answer = (body: string): string => (isFiles ? FILE : `<${body.length}>`);
      const requests = isFiles ? { [GET]: [''] } : { [LENGTH]: ['hello'], [CHUNKED]: ['hello'] };
      const all = { ...requests, [GET]: [''], [GET + GET]: ['', ''] };
      for (const [bytes, bodies] of Object.entries(all)) {
        const wanted = name === 'a promise' ? bodies.map(() => '') : bodies;
        for (const whenToEnd of ['at once', 'later'] as const) {
          const text = await ask(isSecure, bytes, whenToEnd);
          const found = text.split('HTTP/1.1 200 OK').slice(1);
          expect(found.map((part) => part.includes(answer(wanted[0] ?? '')))).toEqual(
            wanted.map(() => true),
          );
        }
      }
      await until(() => tcp.connections.size === 0);
    });
  }
});

test('a client that resets is gone at once, whatever it has asked for', async () => {
  const closed: string[] = [];
  serve(false, (_request, response) => void response.on('close', () => closed.push('response')));
  const socket = netConnect({ port: tcp.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(GET);
  await next(http, 'request');
  socket.resetAndDestroy();
  await until(() => tcp.connections.size === 0 && closed.length === 1);
});

test('a client that is gone after its end frees everything with the first bytes it refuses', async () => {
  const responses: ServerResponse[] = [];
  serve(false, (_request, response) => responses.push(response));
  const socket = netConnect({ port: tcp.port, host: '127.0.0.1' });
  socket.write(GET);
  await next(http, 'request');
  const ended = next((responses[0] as ServerResponse).req.socket, 'end');
  socket.destroy();
  await ended;
  expect(tcp.connections.size).toBe(1);
  await until(() => {
    responses[0]?.write('x');
    return tcp.connections.size === 0;
  });
});

test('httpAllowHalfOpen of node:http switches it off', async () => {
  serve(false, LISTENERS['after 20 ms'] as RequestListener);
  Object.assign(http, { httpAllowHalfOpen: false });
  expect(await ask(false, GET, 'at once')).toBe('');
});

test('what came whole has its end before the garbage behind it closes the connection', async () => {
  const log: string[] = [];
  serve(false, (request) => {
    request.resume();
    request.on('end', () => log.push(`${request.url} end`));
    request.on('error', () => log.push(`${request.url} error`));
    request.on('close', () => log.push(`${request.url} close`));
  });
  const socket = netConnect({ port: tcp.port, host: '127.0.0.1' });
  socket.write(`${LENGTH}${GET}${GARBAGE}`);
  await until(() => log.includes('/file end') && log.length >= 4);
  expect(log.filter((line) => line.endsWith('error'))).toEqual([]);
  socket.destroy();
});
