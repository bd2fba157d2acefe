import { copyFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServeFilesOptions, serveFiles } from '../../../src/http/files/serve-files';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { type Answer, ask } from '../../support/http-client';
import { until } from '../../support/until';

expectNoFdLeaks();

/** Of the file's time, in seconds. */
const OLD = 1_600_000_000;

const servers: TcpServer[] = [];
afterEach(async () => {
  for (const server of servers) server.destroy();
  await until(() => servers.every(({ connections }) => connections.size === 0));
  servers.length = 0;
});

function serve(folder: string, options: ServeFilesOptions = {}): number {
  const server = new TcpServer({ port: 0 });
  servers.push(server);
  serveHttp(server, serveFiles(folder, options));
  return server.port;
}

const get = (port: number, headers: Record<string, string> = {}): Promise<Answer> =>
  ask({ port, path: '/a', headers });
const tagOf = async (port: number): Promise<string> => (await get(port)).headers.etag as string;

test("Node's own fetch, which adds Cache-Control: no-cache to a condition, gets a 304", async () => {
  const folder = makeFolder();
  writeOld(join(folder, 'a'), 'text');
  const port = serve(folder);
  const url = `http://127.0.0.1:${port}/a`;
  const etag = await tagOf(port);
  const since = (await get(port)).headers['last-modified'] as string;
  for (const condition of [{ 'If-None-Match': etag }, { 'If-Modified-Since': since }]) {
    const answer = await fetch(url, { headers: { ...condition, Connection: 'close' } });
    expect([condition, answer.status, await answer.text()]).toEqual([condition, 304, '']);
  }
});

test('two servers that hold the same file give it the same tag, which is that of nginx', async () => {
  const [one, other] = [makeFolder(), makeFolder()];
  writeFileSync(join(one, 'a'), 'x'.repeat(1_000));
  copyFileSync(join(one, 'a'), join(other, 'a'));
  // A copy keeps the second, and with many tools no more than that.
  utimesSync(join(one, 'a'), OLD, OLD + 0.25);
  utimesSync(join(other, 'a'), OLD, OLD);
  const tags = [await tagOf(serve(one)), await tagOf(serve(other))];
  expect(tags).toEqual(['"5f5e1000-3e8"', '"5f5e1000-3e8"']);
});

test('a change within the second of another one is not lost on who has the first', async () => {
  const folder = makeFolder();
  const path = join(folder, 'a');
  const clock = jest.spyOn(Date, 'now');
  try {
    writeFileSync(path, 'one');
    utimesSync(path, OLD, OLD + 0.25);
    clock.mockReturnValue((OLD + 0.5) * 1_000);
    const port = serve(folder);
    const first = await tagOf(port);
    expect(first).toMatch(/^W\//);
    expect((await get(port, { 'if-none-match': first })).status).toBe(304);
    writeFileSync(path, 'two');
    utimesSync(path, OLD, OLD + 0.75);
    for (const now of [OLD + 1, OLD + 100]) {
      clock.mockReturnValue(now * 1_000);
      expect((await get(port, { 'if-none-match': first })).status).toBe(200);
    }
  } finally {
    clock.mockRestore();
  }
});

test("'exact' also sees another file of the same size and time", async () => {
  const folder = makeFolder();
  const path = join(folder, 'a');
  const replace = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    utimesSync(`${path}.new`, OLD, OLD);
    renameSync(`${path}.new`, path);
  };
  replace('one');
  const [plain, exact] = [serve(folder), serve(folder, { etag: 'exact' })];
  const [before, exactBefore] = [await tagOf(plain), await tagOf(exact)];
  expect(exactBefore).toMatch(/^"[\w-]{22}"$/);
  expect((await get(exact, { 'if-none-match': exactBefore })).status).toBe(304);
  replace('two');
  expect(await tagOf(plain)).toBe(before);
  expect((await get(exact, { 'if-none-match': exactBefore })).status).toBe(200);
});

test('an option that is no tag is refused, and the message knows the word', () => {
  expect(() => serveFiles(makeFolder(), { etag: 'bare' })).toThrow(
    /^Invalid option "etag" of serveFiles: .*entity tag.*'exact'/,
  );
});
