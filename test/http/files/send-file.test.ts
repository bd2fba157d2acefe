/** sendFile: whole files, and the status and the fields that go with them. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sendFile } from '../../../src/http/files/send-file';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { ask } from '../../support/http-client';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { sha } from '../../support/sha';
import { until } from '../../support/until';
import {
  failures,
  folder,
  get,
  http,
  MIB,
  options,
  outcomes,
  requestOf,
  tcp,
} from './send-file-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

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

test('validators and the type can be given, or left out', async () => {
  writeOld(join(folder, 'a.html'), 'x');
  Object.assign(options, { etag: false, lastModified: false, contentType: 'text/x-own' });
  const bare = await get('/a.html');
  expect([bare.headers.etag, bare.headers['last-modified']]).toEqual([undefined, undefined]);
  expect(bare.headers['content-type']).toBe('text/x-own');
  Object.assign(options, { etag: 'W/"7"', lastModified: new Date(0) });
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
