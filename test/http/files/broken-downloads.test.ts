/** sendFile to many, to clients that leave or never read, and of files that change meanwhile. */
import { closeSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type FileOutcome, sendFile } from '../../../src/http/files/send-file';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { errno, unwrap } from '../../../src/sys/errno';
import { dup3 } from '../../../src/sys/fds';
import { recv, send } from '../../../src/sys/socket';
import { client, receive } from '../../support/client';
import { fdTo } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { openCount } from '../../support/open-fds';
import { sha } from '../../support/sha';
import { until } from '../../support/until';
import {
  asked,
  createEmpty,
  folder,
  get,
  http,
  MIB,
  outcomes,
  requestOf,
  tcp,
} from './send-file-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

test('pipelined requests are answered in order, the large file first', async () => {
  const large = writeOld(join(folder, 'large'), 5 * MIB);
  const small = ['b', 'c'].map((name) => writeOld(join(folder, name), 10));
  const peer = await client(tcp.port);
  peer.write(['/large', '/b', '/large', '/c'].map(requestOf).join(''));
  const expected = [large, small[0] as Buffer, large, small[1] as Buffer];
  for (const bytes of expected) {
    let head = '';
    while (!head.endsWith('\r\n\r\n')) head += (await receive(peer, 1)).toString('latin1');
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(head).toContain(`\r\nContent-Length: ${bytes.length}\r\n`);
    expect(sha(await receive(peer, bytes.length))).toBe(sha(bytes));
  }
  await until(() => outcomes.length === 4);
  expect(outcomes.every(({ complete }) => complete)).toBe(true);
  await until(() => openCount(join(folder, 'large')) === 0);
});

test('answers that wait for their turn when the client goes are settled, and open no files', async () => {
  truncateSync(createEmpty('large'), 200 * MIB);
  writeOld(join(folder, 'b'), 10);
  const peer = await client(tcp.port);
  peer.pause();
  peer.write(['/large', '/b'].map(requestOf).join(''));
  await until(() => openCount(join(folder, 'large')) === 1 && asked === 2);
  expect(openCount(join(folder, 'b'))).toBe(0);
  peer.resetAndDestroy();
  await until(() => outcomes.length === asked);
  expect(outcomes.every(({ complete, error }) => !complete && error !== undefined)).toBe(true);
  await until(() => openCount(join(folder, 'large')) + openCount(join(folder, 'b')) === 0);
});

test('200 downloads at a time', async () => {
  const bytes = writeOld(join(folder, 'a'), 300_000);
  const answers = await Promise.all(Array.from({ length: 200 }, () => get('/a')));
  const expected = sha(bytes);
  expect(answers.every(({ status, body }) => status === 200 && sha(body) === expected)).toBe(true);
  await until(() => openCount(join(folder, 'a')) === 0);
});

test('a client that goes in the middle ends its download, and leaves no fd open', async () => {
  const path = createEmpty('a');
  truncateSync(path, 200 * MIB);
  const peers = await Promise.all(Array.from({ length: 20 }, () => client(tcp.port)));
  for (const peer of peers) peer.write(requestOf('/a'));
  await Promise.all(peers.map((peer) => receive(peer, 100_000)));
  expect(openCount(path)).toBe(20);
  for (const [index, peer] of peers.entries()) {
    if (index % 2 === 0) peer.resetAndDestroy();
    else peer.destroy();
  }
  await until(() => outcomes.length === 20);
  expect(outcomes.every(({ complete, error }) => !complete && error !== undefined)).toBe(true);
  await until(() => openCount(path) === 0);
});

test('a server that is destroyed in the middle settles its answers and closes their files', async () => {
  const path = createEmpty('a');
  truncateSync(path, 200 * MIB);
  const peer = await client(tcp.port);
  peer.write(requestOf('/a'));
  await receive(peer, 100_000);
  tcp.destroy();
  await until(() => outcomes.length === 1 && openCount(path) === 0);
  expect(outcomes[0]).toMatchObject({ statusCode: 200, complete: false });
});

test('a client that never reads meets the write deadline, and the file is closed', async () => {
  const path = createEmpty('a');
  truncateSync(path, 200 * MIB);
  const strict = new TcpServer({ port: 0, writeTimeoutMs: 100 });
  let outcome: FileOutcome | undefined;
  serveHttp(strict, {}, async (_request, response) => {
    outcome = await sendFile(response, path);
  });
  const peer = await client(strict.port);
  peer.pause();
  peer.write(requestOf('/'));
  await until(() => outcome !== undefined && openCount(path) === 0);
  expect(outcome).toMatchObject({ complete: false, error: { code: 'ETIMEDOUT' } });
  strict.destroy();
});

test('a file that becomes shorter breaks the connection: nobody takes a part for the whole', async () => {
  const path = createEmpty('a');
  truncateSync(path, 200 * MIB);
  const peer = fdTo(tcp);
  const request = Buffer.from(requestOf('/a'));
  expect(send(peer, request, request.length, 0)).toBe(request.length);
  const sink = Buffer.allocUnsafe(MIB);
  let received = 0;
  const take = (): number => {
    const count = recv(peer, sink, sink.length, 0);
    received += Math.max(count, 0);
    return count;
  };
  await until(() => take() > 0);
  truncateSync(path, MIB);
  let count = 1;
  await until(() => {
    while (count > 0) count = take();
    if (count !== -errno.EAGAIN) return true;
    count = 1;
    return false;
  });
  expect(received).toBeLessThan(200 * MIB);
  expect(count).toBe(-errno.ECONNRESET);
  await until(() => outcomes.length === 1);
  expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'ERR_FILE_TRUNCATED' } });
  await until(() => openCount(path) === 0);
});

test.each(['a device', 'another file'])(
  'an fd whose owner makes it %s too early breaks the connection',
  async (replacement) => {
    truncateSync(createEmpty('large'), 50 * MIB);
    writeOld(join(folder, 'b'), 10);
    const fd = openSync(join(folder, 'b'), 'r');
    http.removeAllListeners('request');
    http.on('request', (request, response) => {
      const file = request.url === '/b' ? fd : join(folder, 'large');
      void sendFile(response, file).then((outcome) => outcomes.push(outcome));
    });
    const peer = await client(tcp.port);
    peer.write(requestOf('/large') + requestOf('/b'));
    await receive(peer, 1_000);
    writeOld(join(folder, 'c'), 10);
    const other = openSync(replacement === 'a device' ? '/dev/null' : join(folder, 'c'), 'r');
    unwrap(dup3(other, fd, 0), 'dup3');
    peer.resume();
    await until(() => outcomes.length === 2);
    expect(outcomes[0]).toMatchObject({ complete: true });
    expect(outcomes[1]).toMatchObject({ complete: false, error: { code: 'EBADF' } });
    for (const each of [other, fd]) closeSync(each);
  },
);
