/**
 * The package as its users get it: packed, installed into an empty folder without any compiler on
 * the PATH, and used through `require`, `import` and TypeScript.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './support/child';
import { findProgram } from './support/programs';

const run = promisify(execFile);

let folder: string;
let path: string;
let tarball: string;
let packed: string[];

/** npm's own script, to be run by this very Node. */
function npmScript(): string {
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
  return process.env['npm_execpath'] ?? beside;
}

/** npm, with nothing on the PATH but node and a shell. */
function npm(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  return run(process.execPath, [npmScript(), ...args, ...quiet], {
    cwd: folder,
    env: { ...process.env, PATH: path, NODE_OPTIONS: '' },
  });
}

async function node(name: string, text: string): Promise<string> {
  writeFileSync(join(folder, name), text);
  const { stdout, stderr } = await run(process.execPath, [name], { cwd: folder, timeout: 20_000 });
  expect(stderr).toBe('');
  return stdout.trim();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-package-'));
  path = join(folder, '.bin');
  mkdirSync(path);
  symlinkSync(process.execPath, join(path, 'node'));
  symlinkSync(findProgram('sh') as string, join(path, 'sh'));
  const pack = [npmScript(), 'pack', '--json', '--pack-destination', folder];
  const { stdout } = await run(process.execPath, pack, { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  tarball = join(folder, filename);
  packed = files.map(({ path: name }: { path: string }) => name);
  await npm('init', '-y');
  await npm('install', tarball);
});

afterAll(() => rmSync(folder, { recursive: true }));

test('the package holds what it needs, and nothing of the workshop', () => {
  expect(packed).toEqual(
    expect.arrayContaining([
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'dist/index.js',
      'src/ERRORS.md',
    ]),
  );
  const strange = packed.filter(
    (name) =>
      !/^(dist\/[\w/-]+\.(m?js|d\.m?ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md|src\/ERRORS\.md)$/.test(
        name,
      ),
  );
  expect(strange).toEqual([]);
});

test('nothing was compiled, and there was nothing to compile with', () => {
  expect(readdirSync(path).sort()).toEqual(['node', 'sh']);
  expect(existsSync(join(folder, 'node_modules/koffi/build'))).toBe(false);
});

const PROGRAM = `
  const waker = new Waker();
  const watcher = watch(waker.fd, () => {
    waker.drain();
    watcher.close();
    waker.close();
    const server = new TcpServer({ port: 0, handler: { onData: (c, chunk) => c.end(chunk) } });
    connect(server.port, '127.0.0.1', function () { this.end('hello'); })
      .on('data', (chunk) => console.log('echo ' + chunk))
      .on('close', () => server.close());
  });
  // Long enough after the start for the waiter thread to be the one that wakes us.
  setTimeout(() => waker.wake(), 300);
`;

test('it works by require', async () => {
  const head = `const { TcpServer, Waker, watch } = require('epoll-ffi'); const { connect } = require('node:net');`;
  expect(await node('required.cjs', head + PROGRAM)).toBe('echo hello');
});

test('it works by import, with the same names', async () => {
  const head = `import { TcpServer, Waker, watch } from 'epoll-ffi'; import { connect } from 'node:net';`;
  expect(await node('imported.mjs', head + PROGRAM)).toBe('echo hello');
  const names = await node(
    'names.mjs',
    `import { createRequire } from 'node:module';
     import * as imported from 'epoll-ffi';
     const required = createRequire(import.meta.url)('epoll-ffi');
     const names = Object.keys(required).sort();
     const same = names.every((name) => imported[name] === required[name]);
     console.log(JSON.stringify({ same, names }));`,
  );
  expect(JSON.parse(names)).toEqual({
    same: true,
    names: expect.arrayContaining([
      'Epoll',
      'EventLoop',
      'TcpServer',
      'WebSocketServer',
      'sys',
      'watch',
    ]),
  });
});

test.each([
  [
    'require',
    'compat.cjs',
    `const { Epoll } = require('epoll-ffi/compat/epoll'); const { Waker } = require('epoll-ffi');`,
  ],
  [
    'import',
    'compat.mjs',
    `import { Epoll } from 'epoll-ffi/compat/epoll'; import { Waker } from 'epoll-ffi';`,
  ],
])('the face of the package epoll, by %s', async (_name, file, head) => {
  const program = `
    const waker = new Waker();
    const epoll = new Epoll((error, fd, events) => {
      console.log(error, fd === waker.fd, events === Epoll.EPOLLIN);
      epoll.remove(fd).close();
    });
    epoll.add(waker.fd, Epoll.EPOLLIN);
    waker.wake();`;
  expect(await node(file, head + program)).toBe('null true true');
});

test('it works in a worker, and the worker can be terminated', async () => {
  const output = await node(
    'worker.cjs',
    `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
     const { Waker, watch } = require('epoll-ffi');
     if (isMainThread) {
       const worker = new Worker(__filename);
       worker.on('message', async (message) => {
         console.log(message);
         console.log('terminated ' + await worker.terminate());
       });
     } else {
       const waker = new Waker();
       watch(waker.fd, () => { waker.drain(); parentPort.postMessage('woken'); });
       setTimeout(() => waker.wake(), 300);
     }`,
  );
  expect(output).toBe('woken\nterminated 1');
});

test.each([
  ['CommonJS', 'consumer.cts'],
  ['ESM', 'consumer.mts'],
])('its types serve a strict %s program', async (_name, file) => {
  writeFileSync(
    join(folder, file),
    `import { type ConnectionHandler, constants, Epoll, EventLoop, type EventLoopStats, FdDuplex, FdWatcher, type FileOutcome, sendFile, serveFiles, serveHttp, type ShutdownResult, sys, SystemError, TcpServer, watch, WebSocketServer } from 'epoll-ffi';
     import { Epoll as Compat } from 'epoll-ffi/compat/epoll';

     export function three(fd: number): number[] {
       using epoll = new Epoll({ maxEvents: 16 });
       epoll.add(fd, (constants.EPOLLIN | constants.EPOLLET) >>> 0);
       return [...epoll.wait({ timeoutMs: 10 })].map(({ fd: ready, events }) => ready + events);
     }
     const loop = new EventLoop({ waiter: 'thread', spinUs: 0 });
     export const stats: EventLoopStats = loop.stats();
     export const watcher: FdWatcher = watch(0, { readable: true, edge: true, loop });
     watcher.on('readable', (events: number) => events).on('error', (error: Error) => error.message);
     export async function iterate(): Promise<void> {
       for await (const events of watcher) if ((events & constants.EPOLLHUP) !== 0) break;
     }
     const handler: ConnectionHandler = { onData: (connection, chunk) => void connection.write(chunk.toString()) };
     export const server = new TcpServer({ port: 0, handler });
     server.on('connection', (connection) => connection.on('close', (error) => error?.message));
     export const stop = (): Promise<ShutdownResult> => server.shutdown({ deadlineMs: 100 });
     export const stream = new FdDuplex({ readFd: 0, writeFd: 1 }, { ownsFd: false }).setNoDelay();
     export const site = serveHttp(server).on('request', serveFiles('.', { index: false }));
     site.on('request', (_request, response): Promise<FileOutcome> => sendFile(response, 'a', { etag: '"1"' }));
     export const chat = new WebSocketServer({ port: 0, authorize: async ({ headers }) => headers.origin !== undefined });
     chat.on('connection', (socket, { url }) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) && url);
     try { sys.unwrap(sys.listen(1, 1), 'listen'); } catch (error) { if (error instanceof SystemError) error.code satisfies string; }
     export const compat = new Compat((error, ready, events) => error?.message ?? ready + events).add(0, Compat.EPOLLPRI);
     // @ts-expect-error an option that does not exist
     export const wrong = () => new TcpServer({ port: 0, prot: 1 });
     // @ts-expect-error a mask is a number
     export const wrongMask = () => new Epoll().add(0, 'in');
    `,
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const types = join(ROOT, 'node_modules/@types');
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
  const { stdout } = await run(
    process.execPath,
    [
      tsc,
      ...options,
      '--lib',
      'es2023,esnext.disposable',
      '--typeRoots',
      types,
      '--types',
      'node',
      file,
    ],
    { cwd: folder },
  ).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

test('where the platform is not Linux, requiring it is one clear error', async () => {
  const output = await node(
    'elsewhere.cjs',
    `Object.defineProperty(process, 'platform', { value: 'darwin' });
     try { require('epoll-ffi'); } catch (error) { console.log(error.message); }`,
  );
  expect(output).toBe('epoll-ffi needs Linux: epoll does not exist on darwin');
});
