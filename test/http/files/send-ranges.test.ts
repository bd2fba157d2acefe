/** sendFile: ranges, validators, and files of gigabytes. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { openCount } from '../../support/open-fds';
import { sha } from '../../support/sha';
import { until } from '../../support/until';
import { createEmpty, folder, get, MIB, options, outcomes, tcp } from './send-file-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

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
  Object.assign(options, { range: false });
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
