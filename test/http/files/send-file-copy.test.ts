/** sendFile on responses that do not stand directly on a connection of ours: TLS, and node:net. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, truncateSync } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, request as tlsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type FileOutcome, sendFile } from '../../../src/http/files/send-file';
import { serveHttp } from '../../../src/http/server/serve-http';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { unwrap } from '../../../src/sys/errno';
import { dup3 } from '../../../src/sys/fds';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { type Answer, ask, collect } from '../../support/http-client';
import { openCount } from '../../support/open-fds';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

const MIB = 1024 * 1024;

let folder: string;
let outcomes: FileOutcome[];
beforeEach(() => {
  folder = makeFolder();
  outcomes = [];
});

const listener: RequestListener = async (request, response) => {
  outcomes.push(await sendFile(response, join(folder, request.url ?? '')));
};

const turned = (bytes: Buffer): Uint8Array => Uint8Array.from(bytes, (byte) => byte ^ 0xff);

const requestOf = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('under TLS on a connection of ours', () => {
  // A shared key, so that no certificate is needed.
  const psk = Buffer.alloc(32, 7);
  const tlsOptions = { ciphers: 'PSK', maxVersion: 'TLSv1.2' as const };
  let tcp: TcpServer;

  beforeEach(() => {
    tcp = new TcpServer({ port: 0 });
    const https = createTlsServer({ ...tlsOptions, pskCallback: () => psk }, listener);
    tcp.on('connection', (connection) => {
      https.emit('connection', new FdDuplex(connection));
    });
  });
  afterEach(async () => {
    tcp.destroy();
    await until(() => tcp.connections.size === 0);
  });

  const get = (path: string, headers: IncomingHttpHeaders = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const options = {
        ...tlsOptions,
        host: '127.0.0.1',
        port: tcp.port,
        path,
        headers,
        agent: false,
        pskCallback: () => ({ psk, identity: 'x' }),
        checkServerIdentity: () => undefined,
      };
      const request = tlsRequest(options, (response) => collect(response).then(resolve, reject));
      request.on('error', reject);
      request.end();
    });

  test('a file is encrypted, and arrives whole', async () => {
    const bytes = writeOld(join(folder, 'a'), 3 * MIB);
    const { status, body } = await get('/a');
    expect([status, sha(body)]).toEqual([200, sha(bytes)]);
    expect((await get('/a', { range: 'bytes=5-6' })).body).toEqual(bytes.subarray(5, 7));
    const several = await get('/a', { range: 'bytes=0-9,100-109' });
    expect(several.body.includes(bytes.subarray(100, 110))).toBe(true);
    expect(several.headers['content-length']).toBe(String(several.body.length));
    await until(() => openCount(join(folder, 'a')) === 0);
    expect(outcomes.every(({ complete }) => complete)).toBe(true);
  });
});

describe('on a server of node:net', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer(listener).listen(0, '127.0.0.1');
    await next(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await next(server, 'close');
  });

  test('a file, a part, several parts, none, and nothing but the head', async () => {
    const bytes = writeOld(join(folder, 'a'), 3 * MIB);
    const options = { port, path: '/a' };
    const whole = await ask(options);
    expect([whole.status, sha(whole.body)]).toEqual([200, sha(bytes)]);
    const part = await ask({ ...options, headers: { range: 'bytes=-7' } });
    expect([part.status, part.body]).toEqual([206, bytes.subarray(-7)]);
    const several = await ask({ ...options, headers: { range: 'bytes=0-9,100-109' } });
    expect(several.headers['content-length']).toBe(String(several.body.length));
    const same = { 'if-none-match': whole.headers.etag as string };
    expect((await ask({ ...options, headers: same })).status).toBe(304);
    expect((await ask({ ...options, method: 'HEAD' })).body).toHaveLength(0);
    writeOld(join(folder, 'empty'), 0);
    expect((await ask({ port, path: '/empty' })).status).toBe(200);
    await until(() => outcomes.length === 6);
    expect(outcomes.every(({ complete }) => complete)).toBe(true);
    await until(() => openCount(join(folder, 'a')) === 0);
  });

  test('a file is read no faster than its client reads', async () => {
    const path = join(folder, 'large');
    closeSync(openSync(path, 'w'));
    truncateSync(path, 200 * MIB);
    let waiting = (): number => 0;
    server.once('request', (_request, { socket }) => {
      waiting = () => socket?.writableLength ?? 0;
    });
    const peer = await client(port);
    peer.pause();
    peer.write(requestOf('/large'));
    await until(() => waiting() > 0);
    // Time for as many chunks, if they did not wait.
    for (let count = 0; count < 200; count += 1) await readFile(path, 64 * 1024);
    expect(waiting()).toBeLessThan(MIB);
    peer.destroy();
    await until(() => outcomes.length === 1);
  });

  test('pipelined answers come in order, and those without a turn end with the client', async () => {
    const bytes = ['a', 'b'].map((name) => writeOld(join(folder, name), 500_000));
    const peer = await client(port);
    peer.write(requestOf('/a') + requestOf('/b'));
    for (const expected of bytes) {
      let head = '';
      while (!head.endsWith('\r\n\r\n')) head += (await receive(peer, 1)).toString('latin1');
      expect(sha(await receive(peer, 500_000))).toBe(sha(expected));
    }
    await until(() => outcomes.length === 2);
    const path = join(folder, 'large');
    closeSync(openSync(path, 'w'));
    truncateSync(path, 200 * MIB);
    peer.pause();
    peer.write(requestOf('/large').repeat(20));
    await until(() => openCount(path) === 1);
    peer.resetAndDestroy();
    await until(() => outcomes.length === 22);
    expect(outcomes.slice(2).every(({ complete, error }) => !complete && error)).toBe(true);
    await until(() => openCount(path) === 0);
  });

  test('an fd that is another file by now breaks the connection', async () => {
    const [path, other] = ['a', 'secret'].map((name) => join(folder, name)) as [string, string];
    closeSync(openSync(path, 'w'));
    truncateSync(path, 200 * MIB);
    writeOld(other, 's'.repeat(10 * MIB));
    const [fd, secret] = [openSync(path, 'r'), openSync(other, 'r')];
    server.removeAllListeners('request');
    server.on('request', async (_request, response) => {
      outcomes.push(await sendFile(response, fd));
    });
    const peer = await client(port);
    peer.write(requestOf('/'));
    await receive(peer, 1_000);
    unwrap(dup3(secret, fd, 0), 'dup3');
    expect((await receiveAll(peer)).includes('ss')).toBe(false);
    await until(() => outcomes.length === 1);
    expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'EBADF' } });
    for (const each of [fd, secret]) closeSync(each);
  });

  testWith(findProgram('mkfifo'), 'mkfifo')(
    'also if it becomes another while its read waits for a thread of the pool',
    async () => {
      const paths = ['a', 'secret', 'fifo'].map((name) => join(folder, name));
      const [path, other, fifo] = paths as [string, string, string];
      writeOld(path, 'o'.repeat(1_000));
      writeOld(other, 's'.repeat(1_000));
      execFileSync('mkfifo', [fifo]);
      const [fd, secret] = [openSync(path, 'r'), openSync(other, 'r')];
      let isAsked = false;
      server.removeAllListeners('request');
      server.on('request', async (_request, response) => {
        isAsked = true;
        outcomes.push(await sendFile(response, fd));
      });
      // Each thread of the pool waits in an open(2), until somebody opens the other end.
      const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
      const opened = Promise.all(Array.from({ length: threads }, () => open(fifo)));
      const peer = await client(port);
      const answer = receiveAll(peer);
      peer.write(requestOf('/'));
      await until(() => isAsked);
      unwrap(dup3(secret, fd, 0), 'dup3');
      const writer = openSync(fifo, 'w');
      expect((await answer).includes('ss')).toBe(false);
      await until(() => outcomes.length === 1);
      expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'EBADF' } });
      for (const file of await opened) await file.close();
      for (const each of [fd, secret, writer]) closeSync(each);
    },
  );

  test('a file that becomes shorter breaks the connection', async () => {
    const path = join(folder, 'a');
    closeSync(openSync(path, 'w'));
    truncateSync(path, 200 * MIB);
    const peer = await client(port);
    peer.write(requestOf('/a'));
    await receive(peer, 1_000);
    truncateSync(path, MIB);
    expect((await receiveAll(peer)).length).toBeLessThan(200 * MIB);
    await until(() => outcomes.length === 1);
    expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'ERR_FILE_TRUNCATED' } });
    await until(() => openCount(path) === 0);
  });
});

/** As much work for the pool as sendFile has with each chunk. */
async function readFile(path: string, length: number): Promise<void> {
  const file = await open(path);
  await file.read(Buffer.allocUnsafe(length), 0, length, 0);
  await file.close();
}

test('a response with replaced write methods gets all bytes through them', async () => {
  const bytes = writeOld(join(folder, 'a'), 300_000);
  const tcp = new TcpServer({ port: 0 });
  let seen = 0;
  serveHttp(tcp, {}, (_request, response) => {
    const { write } = response;
    // As a middleware that compresses does; this one turns every bit over.
    response.write = (chunk: Buffer): boolean => {
      seen += chunk.length;
      return write.call(response, Buffer.from(turned(chunk)), 'latin1');
    };
    void sendFile(response, join(folder, 'a'));
  });
  const { body } = await ask({ port: tcp.port });
  expect(sha(Buffer.from(turned(body)))).toBe(sha(bytes));
  expect(seen).toBe(300_000);
  tcp.destroy();
});

test('a class of responses of one’s own may write as it likes', async () => {
  class Loud extends ServerResponse {
    override write(chunk: Buffer): boolean {
      return super.write(chunk.toString('latin1').toUpperCase(), 'latin1');
    }
  }
  writeOld(join(folder, 'a'), 'hello');
  const tcp = new TcpServer({ port: 0 });
  serveHttp(tcp, { ServerResponse: Loud as never }, (_request, response) => {
    void sendFile(response, join(folder, 'a'));
  });
  expect(String((await ask({ port: tcp.port })).body)).toBe('HELLO');
  tcp.destroy();
});
