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
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import ts from 'typescript';
import { ROOT } from './support/child';
import { CONSUMER, compile, complaintsOf } from './support/consumer';
import { findProgram } from './support/programs';

// The package is built, packed and installed.
jest.setTimeout(240_000);

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

/** Whether `dist` is younger than all it is made of, as after `npm ci`: then nothing is built again. */
function isBuilt(): boolean {
  const built = statSync(join(ROOT, 'dist/index.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const names = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const sources = [
    'package.json',
    'tsconfig.build.json',
    ...names.map((name) => join('src', name)),
  ];
  return sources.every((name) => statSync(join(ROOT, name)).mtimeMs < built);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-package-'));
  path = join(folder, '.bin');
  mkdirSync(path);
  symlinkSync(process.execPath, join(path, 'node'));
  symlinkSync(findProgram('sh') as string, join(path, 'sh'));
  const pack = [npmScript(), 'pack', '--json', '--pack-destination', folder];
  const { stdout } = await run(process.execPath, isBuilt() ? [...pack, '--ignore-scripts'] : pack, {
    cwd: ROOT,
  });
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

/** The subpaths: all that package.json exports but itself. */
const SUBPATHS = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: object }).exports,
)
  .filter((name) => name !== './package.json')
  .map((name) => name.replace(/^\./, 'epoll-ffi'));

test('every subpath gives the same names by require and by import, each as a named import', async () => {
  const program = `
    import { createRequire } from 'node:module';
    const require = createRequire(import.meta.url);
    const report = {};
    for (const path of ${JSON.stringify(SUBPATHS)}) {
      const [required, imported] = [require(path), await import(path)];
      const names = Object.keys(required);
      report[path] = names.length > 0 && names.every((name) => imported[name] === required[name]);
    }
    console.log(JSON.stringify(report));`;
  const report = JSON.parse(await node('subpaths.mjs', program));
  expect(report).toEqual(Object.fromEntries(SUBPATHS.map((path) => [path, true])));
  const named = await node(
    'named.mjs',
    `import { close } from 'epoll-ffi/sys'; import { Epoll } from 'epoll-ffi/epoll';
     import { EventLoop } from 'epoll-ffi/loop'; import { watch } from 'epoll-ffi/watch';
     import { TcpServer } from 'epoll-ffi/net'; import { serveHttp } from 'epoll-ffi/http';
     import { WebSocketServer } from 'epoll-ffi/ws'; import { Epoll as Compat } from 'epoll-ffi/compat/epoll';
     console.log([close, Epoll, EventLoop, watch, TcpServer, serveHttp, WebSocketServer, Compat].map((it) => typeof it).join());`,
  );
  expect(named).toBe(Array(8).fill('function').join());
});

const BY_SUBPATH = SUBPATHS.map(
  (path, index) => `import * as face${index} from '${path}'; export { face${index} };`,
).join('\n');

const { ModuleKind, ModuleResolutionKind } = ts;
const RESOLUTIONS: [name: string, extension: string, options: ts.CompilerOptions][] = [
  ['nodenext', 'cts', { module: ModuleKind.NodeNext }],
  ['nodenext', 'mts', { module: ModuleKind.NodeNext }],
  ['node16', 'cts', { module: ModuleKind.Node16 }],
  ['node16', 'mts', { module: ModuleKind.Node16 }],
  ['bundler', 'ts', { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler }],
];

test.each(RESOLUTIONS)('its types serve a strict program: %s, .%s', (_name, extension, options) => {
  const file = `consumer.${extension}`;
  writeFileSync(join(folder, file), `${CONSUMER}\n${BY_SUBPATH}`);
  expect(complaintsOf(folder, compile(folder, file, options))).toEqual([]);
});

/** A WheelTimer is for wheels by its type; the members of the others are not marked yet. */
const UNMARKED = ['WheelTimer', 'TcpConnection', 'FdDuplex'];
/** Members that are for the loop, the acceptor, a decoder or a timer wheel, and for no user. */
const INTERNAL = /^(on[A-Z]\w*|timerIndex|turnTo|receive|limitByDefault|isGiven|setHeld|eventsOf)$/;

test('a list of completions has no members that are for the loop', () => {
  writeFileSync(join(folder, 'members.cts'), `import * as face from 'epoll-ffi'; export { face };`);
  const program = compile(folder, 'members.cts', { module: ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(join(folder, 'members.cts')) as ts.SourceFile;
  const [imported] = source.statements as unknown as [ts.ImportDeclaration];
  const { name } = (imported.importClause as ts.ImportClause).namedBindings as ts.NamespaceImport;
  const faces = checker.getTypeAtLocation(name).getProperties();
  const shown = new Map<string, string[]>();
  for (const symbol of faces) {
    const [signature] = checker.getTypeOfSymbol(symbol).getConstructSignatures();
    const members = signature?.getReturnType().getApparentProperties() ?? [];
    const isShown = ({ declarations = [] }: ts.Symbol): boolean =>
      declarations.every(
        (it) => (ts.getCombinedModifierFlags(it) & ts.ModifierFlags.Protected) === 0,
      );
    shown.set(
      symbol.name,
      members.filter(isShown).map((member) => member.name),
    );
  }
  expect(shown.get('WebSocketConnection')).toEqual(expect.arrayContaining(['send', 'ping', 'on']));
  expect(shown.get('EventLoop')).toEqual(expect.arrayContaining(['add', 'close', 'stats']));
  const internal = [...shown]
    .filter(([owner]) => !UNMARKED.includes(owner))
    .flatMap(([owner, members]) =>
      members.filter((member) => INTERNAL.test(member)).map((member) => `${owner}.${member}`),
    );
  expect(internal).toEqual([]);
});

const BUNDLED = `
  import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads';
  import { EventLoop, Waker, watch } from 'epoll-ffi';
  import { TcpServer } from 'epoll-ffi/net';
  import { file } from './file';

  const report = (text: string): void => isMainThread ? console.log(text) : parentPort?.postMessage(text);
  const stdin = watch(0, { readable: true }).unref();
  const loop = new EventLoop({ spinUs: 0 });
  const waker = new Waker();
  const registration = loop.add(waker.fd, 1, {
    onEvents() {
      registration.remove();
      waker.close();
      loop.close();
      stdin.close();
      new TcpServer({ port: 0 }).close();
      report(isMainThread ? 'main thread' : 'worker');
      if (isMainThread) new Worker(file).on('message', (text) => console.log(text));
    },
    onRevoked() {},
  });
  // Long enough after the start for the waiter thread, if there is one, to be the one that wakes us.
  setTimeout(() => waker.wake(), isMainThread ? 600 : 300);
`;
/** What a bundle that is an ES module needs for any package of CommonJS. */
const BANNER = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;

test.each([
  ['cjs', 'out/bundle.cjs', '__filename'],
  ['esm', 'out/bundle.mjs', 'new URL(import.meta.url)'],
] as const)(
  'a program that esbuild has bundled (%s): a watcher and a loop, in a worker too',
  async (format, outfile, file) => {
    writeFileSync(
      join(folder, 'bundled.ts'),
      BUNDLED.replace(`import { file } from './file';`, `const file = ${file};`),
    );
    buildSync({
      absWorkingDir: folder,
      bundle: true,
      entryPoints: ['bundled.ts'],
      external: ['koffi'],
      format,
      outfile,
      platform: 'node',
      ...(format === 'esm' ? { banner: { js: BANNER } } : {}),
    });
    // From elsewhere: neither the thread's script nor koffi is beside the folder it runs in.
    const { stdout, stderr } = await run(process.execPath, [join(folder, outfile)], {
      cwd: '/',
      timeout: 20_000,
    });
    expect([stdout.trim(), stderr]).toEqual(['main thread\nworker', '']);
  },
);

test('the thread of a bundle from which koffi is not found: the error says what is missing', async () => {
  const program = `
    const { waiterMissing } = require(${JSON.stringify(join(folder, 'node_modules/epoll-ffi/dist/base/errors.js'))});
    const { bundledScript } = require(${JSON.stringify(join(folder, 'node_modules/epoll-ffi/dist/loop/waiter-source.js'))});
    try { bundledScript('/nowhere/bundle.js'); } catch (error) {
      console.log(error.code === waiterMissing('').code, error.message);
    }`;
  expect(await node('missing.cjs', program)).toMatch(
    /^true .*\/nowhere\/bundle.js .*--external:koffi/,
  );
});

test('where the platform is not Linux, requiring it is one clear error', async () => {
  const output = await node(
    'elsewhere.cjs',
    `Object.defineProperty(process, 'platform', { value: 'darwin' });
     try { require('epoll-ffi'); } catch (error) { console.log(error.message); }`,
  );
  expect(output).toBe('epoll-ffi needs Linux: epoll does not exist on darwin');
});
