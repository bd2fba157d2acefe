/** Very many requests of one client for files, of which it reads none. */
import { join } from 'node:path';
import type { FileOutcome } from '../../../src/http/files/send-file';
import { sendFile } from '../../../src/http/files/send-file';
import { serveFiles } from '../../../src/http/files/serve-files';
import { MAX_WAITING } from '../../../src/http/server/request-gate';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { openCount } from '../../support/open-fds';
import { until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(400_000);

const REQUESTS = 3_000;
/** Larger than what the sockets of both sides hold. */
const LARGE_BYTES = 24 * 1024 * 1024;

let path: string;
let tcp: TcpServer;
let asked: number;
let outcomes: FileOutcome[];

function serve(way: 'serveFiles' | 'sendFile', bytes: number): void {
  const root = makeFolder();
  path = join(root, 'file');
  writeOld(path, bytes);
  asked = 0;
  outcomes = [];
  tcp = new TcpServer({ port: 0 });
  const listener = serveFiles(root);
  serveHttp(tcp, {}, async (request, response) => {
    asked += 1;
    const answer = way === 'sendFile' ? sendFile(response, path) : listener(request, response);
    outcomes.push(await answer);
  });
}
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0 && outcomes.length === asked);
});

const pipeline = (count: number): string =>
  'GET /file HTTP/1.1\r\nHost: here\r\n\r\n'.repeat(count);

describe.each(['serveFiles', 'sendFile'] as const)('%s', (way) => {
  test('opens the file of the answer whose turn it is, and reads no more requests', async () => {
    serve(way, LARGE_BYTES);
    const socket = await client(tcp.port);
    socket.pause();
    socket.write(pipeline(REQUESTS));
    const isClogged = (): boolean =>
      [...tcp.connections].some(({ queuedFileBytes, paused }) => queuedFileBytes > 0 && paused);
    await until(() => isClogged());
    expect(asked).toBeLessThanOrEqual(MAX_WAITING);
    expect(openCount(path)).toBe(1);
    socket.destroy();
    await until(() => outcomes.length === asked);
    expect(outcomes.every(({ complete }) => !complete)).toBe(true);
    expect(openCount(path)).toBe(0);
  });

  test('answers all of them, when they are read at last', async () => {
    serve(way, 2_000);
    const socket = await client(tcp.port);
    socket.write(pipeline(REQUESTS));
    const head = 'HTTP/1.1 200 OK';
    let found = 0;
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const text = rest + chunk.toString('latin1');
      found += text.split(head).length - 1;
      rest = text.slice(-(head.length - 1));
    });
    await until(() => found === REQUESTS && outcomes.length === REQUESTS, 350_000);
    expect(outcomes.every(({ complete }) => complete)).toBe(true);
    // And the connection is as good as before.
    socket.removeAllListeners('data');
    socket.write(pipeline(1));
    expect(String(await receive(socket, 15))).toBe(head);
    socket.destroy();
  });
});
