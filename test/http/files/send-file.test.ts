import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, type Server } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type FileOutcome, sendFile } from '../../../src/http/files/send-file';
import type { SendFileOptions } from '../../../src/http/files/send-file-options';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { errno, unwrap } from '../../../src/sys/errno';
import { dup3 } from '../../../src/sys/fds';
import { recv, send } from '../../../src/sys/socket';
import { client, receive } from '../../support/client';
import { fdTo } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { type Answer, ask } from '../../support/http-client';
import { openCount } from '../../support/open-fds';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { sha } from '../../support/sha';
import { until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

const MIB = 1024 * 1024;

let tcp: TcpServer;
let http: Server;
let folder: string;
let asked: number;
let outcomes: FileOutcome[];
let failures: (Error & { code?: string })[];
let options: SendFileOptions;

/** What the path of a request names is sent. */
beforeEach(() => {
  folder = makeFolder();
  asked = 0;
  outcomes = [];
  failures = [];
  options = {};
  tcp = new TcpServer({ port: 0, trigger: 'edge' });
  http = serveHttp(tcp, {}, (request, response) => {
    asked += 1;
    sendFile(response, join(folder, request.url ?? ''), options).then(
      (outcome) => outcomes.push(outcome),
      (error: Error) => {
        failures.push(error);
        response.writeHead(404).end('nothing');
      },
    );
  });
});
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

const get = (path: string, headers: IncomingHttpHeaders = {}, method = 'GET'): Promise<Answer> =>
  ask({ port: tcp.port, path, headers, method });

const requestOf = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

test('a file of 10 MiB arrives byte by byte, and the connection serves the next one', async () => {
  const [large, small] = [writeOld(join(folder, 'a.bin'), 10 * MIB), Buffer.from('hello')];
  writeOld(join(folder, 'b.txt'), 'hello');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < 3; round += 1) {
    const first = await ask({ port: tcp.port, path: '/a.bin', agent });
    expect([first.status, first.headers['content-length']]).toEqual([200, String(large.length)]);
    expect(sha(first.body)).toBe(sha(large));
    const second = await ask({ port: tcp.port, path: '/b.txt', agent });
    expect(second.body).toEqual(small);
    expect(second.headers['content-type']).toBe('text/plain; charset=utf-8');
  }
  expect(tcp.connections.size).toBe(1);
  agent.destroy();
  await until(() => outcomes.length === 6);
  expect(outcomes[0]).toEqual({ statusCode: 200, complete: true, error: undefined });
});

test('the promise is fulfilled when the kernel has it all, and the response is finished then', async () => {
  writeOld(join(folder, 'a'), 10_000);
  let finished: boolean | undefined;
  http.removeAllListeners('request');
  http.on('request', async (_request, response) => {
    await sendFile(response, join(folder, 'a'));
    finished = response.writableFinished;
  });
  expect((await get('/')).body).toHaveLength(10_000);
  await until(() => finished !== undefined);
  expect(finished).toBe(true);
});

test('a response that counts its bytes does not miss those of the file', async () => {
  writeOld(join(folder, 'a'), 'hello');
  http.prependListener('request', (_request, response) => {
    response.strictContentLength = true;
  });
  expect(String((await get('/a')).body)).toBe('hello');
  await until(() => outcomes.length === 1);
  expect([outcomes[0]?.complete, failures]).toEqual([true, []]);
});

test('a URL, a Buffer and an fd name a file too; an fd stays open, and where it was', async () => {
  const path = join(folder, 'page.html');
  writeOld(path, '<p>hello</p>');
  const fd = openSync(path, 'r');
  readSync(fd, Buffer.alloc(3));
  const sources = [pathToFileURL(path), Buffer.from(path), fd];
  http.removeAllListeners('request');
  http.on('request', (request, response) => {
    void sendFile(response, sources[Number(request.url?.slice(1))] ?? '');
  });
  const answers = await Promise.all(['/0', '/1', '/2'].map((name) => get(name)));
  expect(answers.map(({ body }) => String(body))).toEqual(Array(3).fill('<p>hello</p>'));
  expect(answers.map(({ headers }) => headers['content-type'])).toEqual([
    'text/html; charset=utf-8',
    'text/html; charset=utf-8',
    'application/octet-stream',
  ]);
  const rest = Buffer.alloc(20);
  expect(rest.toString('utf8', 0, readSync(fd, rest))).toBe('hello</p>');
  closeSync(fd);
});

test('an empty file, with and without a range', async () => {
  writeOld(join(folder, 'empty'), 0);
  const { status, headers, body } = await get('/empty');
  expect([status, headers['content-length'], body.length]).toEqual([200, '0', 0]);
  expect((await get('/empty', { range: 'bytes=0-' })).status).toBe(200);
});

test('HEAD has the fields of GET and no body, and ignores ranges', async () => {
  writeOld(join(folder, 'a'), 1_000);
  const [whole, head] = [await get('/a'), await get('/a', { range: 'bytes=0-1' }, 'HEAD')];
  expect([head.status, head.body.length]).toEqual([200, 0]);
  const fields = ['content-length', 'content-type', 'etag', 'last-modified', 'accept-ranges'];
  for (const field of fields) expect(head.headers[field]).toBe(whole.headers[field]);
  expect(head.headers['content-length']).toBe('1000');
});

test('a range is a 206 with its place, a range beyond the file a 416', async () => {
  const bytes = writeOld(join(folder, 'a'), 1_000);
  const part = await get('/a', { range: 'bytes=10-19' });
  expect([part.status, part.body]).toEqual([206, bytes.subarray(10, 20)]);
  expect(part.headers).toMatchObject({
    'content-range': 'bytes 10-19/1000',
    'content-length': '10',
    'accept-ranges': 'bytes',
  });
  const last = await get('/a', { range: 'bytes=-5' });
  expect(last.body).toEqual(bytes.subarray(-5));
  const none = await get('/a', { range: 'bytes=1000-' });
  expect([none.status, none.body.length]).toEqual([416, 0]);
  expect(none.headers).toMatchObject({ 'content-range': 'bytes */1000', 'content-length': '0' });
  options = { range: false };
  const whole = await get('/a', { range: 'bytes=10-19' });
  expect([whole.status, whole.headers['accept-ranges'], whole.body.length]).toEqual([
    200,
    undefined,
    1_000,
  ]);
});

test('several ranges are a multipart body, in the order asked for', async () => {
  const bytes = writeOld(join(folder, 'a.txt'), 100_000);
  const wanted = [
    [70_000, 89_999],
    [0, 9],
    [99_990, 99_999],
  ] as const;
  const { status, headers, body } = await get('/a.txt', {
    range: `bytes=${wanted.map((pair) => pair.join('-'))}`,
  });
  expect(status).toBe(206);
  const [, boundary] =
    /^multipart\/byteranges; boundary=(.+)$/.exec(headers['content-type'] ?? '') ?? [];
  const expected = wanted.flatMap(([start, end], index) => [
    Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `Content-Range: bytes ${start}-${end}/100000\r\n\r\n`,
    ),
    bytes.subarray(start, end + 1),
  ]);
  expect(sha(body)).toBe(sha(Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)])));
  expect(headers['content-length']).toBe(String(body.length));
});

test('several ranges keep their file until the last one is sent, and fail with the reason', async () => {
  const path = createEmpty('a');
  truncateSync(path, 200 * MIB);
  const peer = await client(tcp.port);
  peer.pause();
  const ranges = `Range: bytes=0-9,${MIB}-${100 * MIB},${101 * MIB}-${102 * MIB}`;
  peer.write(`GET /a HTTP/1.1\r\nHost: x\r\n${ranges}\r\n\r\n`);
  await receive(peer, 2 * MIB);
  // Long after the first of them.
  expect([outcomes, openCount(path)]).toEqual([[], 1]);
  truncateSync(path, 0);
  peer.resume();
  await until(() => outcomes.length === 1);
  expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'ERR_FILE_TRUNCATED' } });
  await until(() => openCount(path) === 0);
});

test('the validators of an answer make the next one a 304, a 412, or a part', async () => {
  writeOld(join(folder, 'a'), 1_000);
  const { headers } = await get('/a');
  const etag = headers.etag as string;
  const date = headers['last-modified'] as string;
  expect(etag).toBe('"6553f100-3e8"');
  expect(date).toBe('Tue, 14 Nov 2023 22:13:20 GMT');
  const same = await get('/a', { 'if-none-match': etag });
  expect([same.status, same.body.length, same.headers.etag]).toEqual([304, 0, etag]);
  expect(same.headers['content-length']).toBeUndefined();
  expect(same.headers['content-type']).toBeUndefined();
  expect((await get('/a', { 'if-modified-since': date }, 'HEAD')).status).toBe(304);
  const changed = await get('/a', { 'if-match': '"other"' });
  expect([changed.status, changed.headers['content-length']]).toEqual([412, '0']);
  expect((await get('/a', { 'if-unmodified-since': date })).status).toBe(200);
  const range = 'bytes=0-9';
  expect((await get('/a', { range, 'if-range': etag })).status).toBe(206);
  expect((await get('/a', { range, 'if-range': date })).status).toBe(206);
  expect((await get('/a', { range, 'if-range': '"other"' })).status).toBe(200);
  await until(() => outcomes.length === 8);
  expect(outcomes.every(({ complete }) => complete)).toBe(true);
});

test('the entity tag changes with the file, and is weak while the file is young', async () => {
  const path = join(folder, 'a');
  writeOld(path, 'one');
  const first = await get('/a');
  writeOld(path, 'three');
  expect((await get('/a')).headers.etag).not.toBe(first.headers.etag);
  expect((await get('/a', { 'if-none-match': first.headers.etag as string })).status).toBe(200);
  const { mtimeMs } = statSync(path);
  const clock = jest.spyOn(Date, 'now');
  for (const [ageMs, pattern] of [
    [1_999, /^W\/"/],
    [2_000, /^"/],
  ] as const) {
    clock.mockReturnValue(mtimeMs + ageMs);
    expect((await get('/a')).headers.etag).toMatch(pattern);
  }
  clock.mockRestore();
  execFileSync('touch', ['-d', '1 hour', path]);
  const young = await get('/a');
  expect(young.headers.etag).toMatch(/^W\/"/);
  // A time in the future is a mistake.
  expect(Date.parse(young.headers['last-modified'] as string)).toBeLessThanOrEqual(Date.now());
});

test('validators and the type can be given, or left out', async () => {
  writeOld(join(folder, 'a.html'), 'x');
  options = { etag: false, lastModified: false, contentType: 'text/x-own' };
  const bare = await get('/a.html');
  expect([bare.headers.etag, bare.headers['last-modified']]).toEqual([undefined, undefined]);
  expect(bare.headers['content-type']).toBe('text/x-own');
  options = { etag: 'W/"7"', lastModified: new Date(0) };
  const given = await get('/a.html', { 'if-none-match': '"7"' });
  expect([given.status, given.headers.etag]).toEqual([304, 'W/"7"']);
  expect(given.headers['last-modified']).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
});

test('a status and fields that were set before stay, and an error page has no conditions', async () => {
  writeOld(join(folder, '404.html'), 'not here');
  http.removeAllListeners('request');
  http.on('request', (_request, response) => {
    response.statusCode = 404;
    response.setHeader('Content-Type', 'text/x-mine');
    response.setHeader('Transfer-Encoding', 'chunked');
    void sendFile(response, join(folder, '404.html'));
  });
  const answer = await get('/', { 'if-none-match': '*', range: 'bytes=0-0' });
  expect([answer.status, String(answer.body)]).toEqual([404, 'not here']);
  expect(answer.headers['content-type']).toBe('text/x-mine');
  expect(answer.headers['transfer-encoding']).toBeUndefined();
});

test('a status without a body has none, and the next answer stands where it should', async () => {
  writeOld(join(folder, 'a'), 'body');
  http.removeAllListeners('request');
  http.on('request', async (request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    outcomes.push(await sendFile(response, join(folder, 'a')));
  });
  const peer = await client(tcp.port);
  peer.write(['/204', '/304', '/200'].map(requestOf).join(''));
  await until(() => outcomes.length === 3);
  const text = String(
    await receive(peer, tcp.connections.values().next().value?.bytesWritten ?? 0),
  );
  const [none, same, found] = text.split('HTTP/1.1 ').slice(1) as [string, string, string];
  for (const [answer, start] of [
    [none, '204 No Content'],
    [same, '304 Not Modified'],
  ] as const) {
    expect([answer.startsWith(start), answer.endsWith('\r\n\r\n')]).toEqual([true, true]);
    expect(answer).not.toMatch(/content-(length|type)|transfer-encoding/i);
    expect(answer).toMatch(/etag/i);
  }
  expect(found).toMatch(/^200 OK[\s\S]*\r\n\r\nbody$/);
  expect(outcomes.map(({ statusCode, complete }) => [statusCode, complete])).toEqual([
    [204, true],
    [304, true],
    [200, true],
  ]);
});

test('what is asked with another method than GET is the whole file, without conditions', async () => {
  writeOld(join(folder, 'a'), 1_000);
  const { etag } = (await get('/a')).headers;
  for (const headers of [
    { range: 'bytes=0-9' },
    { 'if-none-match': etag },
    { 'if-match': '"b"' },
  ]) {
    const answer = await get('/a', headers, 'POST');
    expect([answer.status, answer.body.length]).toEqual([200, 1_000]);
    expect(answer.headers['accept-ranges']).toBeUndefined();
  }
});

test('a stream whose writing was ended before is a connection that is closed', async () => {
  writeOld(join(folder, 'a'), 1_000);
  http.removeAllListeners('request');
  const errors: Error[] = [];
  http.on('request', async (request, response) => {
    request.socket.on('error', (error) => errors.push(error)).end();
    outcomes.push(await sendFile(response, join(folder, 'a')));
  });
  const peer = await client(tcp.port);
  peer.write(requestOf('/a'));
  await until(() => outcomes.length === 1);
  expect(outcomes[0]).toMatchObject({ complete: false, error: { code: 'ERR_CONNECTION_CLOSED' } });
  expect(errors).toEqual([]);
});

test('what cannot be opened is told before anything is answered', async () => {
  for (const path of ['/missing', '/', '/a/b']) {
    expect((await get(path)).status).toBe(404);
  }
  expect(failures.map(({ code }) => code)).toEqual(['ENOENT', 'EISDIR', 'ENOENT']);
  const response = { writeHead() {}, req: {}, headersSent: false, writableEnded: false };
  const answered = { ...response, headersSent: true };
  await expect(sendFile(answered as never, '/etc/hosts')).rejects.toThrow(/answered already/);
  const wrong = response as never;
  await expect(sendFile(wrong, '/dev/null')).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(sendFile(wrong, 2 ** 30)).rejects.toMatchObject({ code: 'EBADF' });
  await expect(sendFile(wrong, {} as never)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_TYPE',
  });
  await expect(sendFile(wrong, 'a', { etag: 'bare' })).rejects.toThrow(
    /^Invalid option "etag" of sendFile: .*entity tag/,
  );
  await expect(sendFile(wrong, 'a', { rnage: true } as never)).rejects.toThrow(/rnage/);
});

testWith(findProgram('mkfifo'), 'mkfifo')(
  'a FIFO is refused, and its writer is not even woken',
  async () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const writer = spawn('sh', ['-c', `echo letter > ${path}`]);
    // The writer comes to wait somewhere in the middle of these.
    for (let count = 0; count < 50; count += 1) expect((await get('/fifo')).status).toBe(404);
    expect(failures.every(({ code }) => code === 'EINVAL')).toBe(true);
    const letter = execFileSync('cat', [path]);
    expect(String(letter)).toBe('letter\n');
    await until(() => writer.exitCode === 0);
  },
);

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

test('the last bytes of a file of 3 GiB', async () => {
  const size = 3 * 1024 * MIB;
  const path = createEmpty('huge');
  truncateSync(path, size);
  const fd = openSync(path, 'r+');
  writeSync(fd, 'the end', size - 7);
  closeSync(fd);
  const { status, headers, body } = await get('/huge', { range: 'bytes=-17' });
  expect([status, String(body)]).toEqual([206, `${'\0'.repeat(10)}the end`]);
  expect(headers['content-range']).toBe(`bytes ${size - 17}-${size - 1}/${size}`);
  expect((await get('/huge', {}, 'HEAD')).headers['content-length']).toBe(String(size));
});

function createEmpty(name: string): string {
  const path = join(folder, name);
  closeSync(openSync(path, 'w'));
  return path;
}
