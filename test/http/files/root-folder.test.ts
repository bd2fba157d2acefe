/** The root of serveFiles is a folder, not a path: what takes its place is never served. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { FileOutcome } from '../../../src/http/files/send-file';
import { serveFiles } from '../../../src/http/files/serve-files';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { ask } from '../../support/http-client';
import { openCount } from '../../support/open-fds';
import { until } from '../../support/until';

expectNoFdLeaks();

const HOME = process.cwd();
let folder: string;
let root: string;
let tcp: TcpServer;
let outcome: FileOutcome;

beforeEach(() => {
  folder = makeFolder();
  root = makeSite('home/root', 'ours');
});
afterEach(async () => {
  process.chdir(HOME);
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

function makeSite(name: string, text: string): string {
  const site = join(folder, name);
  fs.mkdirSync(join(site, 'docs'), { recursive: true });
  writeOld(join(site, 'page'), text);
  return site;
}

/** Also with the same number: not within the same tick of the kernel's clock. */
function makeAnew(): void {
  const born = (): bigint => fs.statSync(root, { bigint: true }).birthtimeNs;
  makeSite('home/root', 'theirs');
  for (const first = born(); born() === first && first !== 0n; ) {
    fs.rmSync(root, { recursive: true });
    makeSite('home/root', 'theirs');
  }
}

function serve(path: string): void {
  tcp = new TcpServer({ port: 0 });
  const listener = serveFiles(path);
  serveHttp(tcp, {}, async (request, response) => {
    outcome = await listener(request, response);
  });
}

async function get(path: string): Promise<string> {
  const { status, body } = await ask({ port: tcp.port, path });
  return `${status} ${status === 200 ? body : (outcome.error as { code?: string })?.code}`;
}

/** Nothing of what is at the root now is served, or known. */
async function expectNothing(): Promise<void> {
  const answers = await Promise.all(['/page', '/docs', '/docs/', '/alien', '/no'].map(get));
  expect(answers).toEqual(Array(5).fill('503 ESTALE'));
  const inRoot = (): boolean => openCount(join(root, 'page')) + openCount(root) > 0;
  expect(inRoot()).toBe(false);
}

test('a relative root is another folder after chdir', async () => {
  makeSite('other/root', 'theirs');
  process.chdir(join(folder, 'home'));
  serve('root');
  process.chdir(join(folder, 'other'));
  expect(await get('/page')).toBe('200 ours');
});

test('a folder above was renamed, and another put in its place; then the first came back', async () => {
  serve(root);
  fs.renameSync(join(folder, 'home'), join(folder, 'away'));
  expect(await get('/page')).toBe('503 ESTALE');
  fs.writeFileSync(join(makeSite('home/root', 'theirs'), 'alien'), 'theirs');
  await expectNothing();
  fs.renameSync(join(folder, 'home'), join(folder, 'theirs'));
  fs.renameSync(join(folder, 'away'), join(folder, 'home'));
  expect(await get('/page')).toBe('200 ours');
});

test.each([
  ['a file', () => fs.writeFileSync(root, '')],
  ['a link to another folder', () => fs.symlinkSync(makeSite('other', 'theirs'), root)],
  ['a link to itself', () => fs.symlinkSync(root, root)],
  ['a new folder', makeAnew],
])('the root was deleted, and is %s', async (_, make) => {
  serve(root);
  fs.rmSync(root, { recursive: true });
  make();
  await expectNothing();
});

test('changes of the root itself change nothing', async () => {
  serve(root);
  fs.chmodSync(root, 0o711);
  fs.utimesSync(root, 1, 1);
  fs.writeFileSync(join(root, 'new'), 'new');
  expect([await get('/page'), await get('/new')]).toEqual(['200 ours', '200 new']);
});

test('a link to the root is resolved when the listener is made', async () => {
  const link = join(folder, 'current');
  fs.symlinkSync(root, link);
  serve(link);
  fs.unlinkSync(link);
  fs.symlinkSync(makeSite('other', 'theirs'), link);
  expect(await get('/page')).toBe('200 ours');
});
