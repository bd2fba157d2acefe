import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FileOutcome } from '../../../src/http/files/send-file';
import { type ServeFilesOptions, serveFiles } from '../../../src/http/files/serve-files';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { Child, ROOT } from '../../support/child';
import { client, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { writeOld } from '../../support/files';
import { makeFolder } from '../../support/folder';
import { type Answer, ask } from '../../support/http-client';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

let folder: string;
let root: string;
let tcp: TcpServer;
let outcomes: FileOutcome[];

/** A root with a secret beside it. */
beforeEach(() => {
  folder = makeFolder();
  root = join(folder, 'root');
  for (const name of ['docs', 'empty', '.git', 'a b', 'ünï']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  const files = {
    'root/index.html': '<h1>home</h1>',
    'root/page.html': 'page',
    'root/docs/index.html': 'docs',
    'root/.hidden': 'hidden',
    'root/.git/config': 'config',
    'root/a b/100% (1).txt': 'percent',
    'root/ünï/côdé.txt': 'unicode',
    'root/back\\slash.txt': 'backslash',
    secret: 'secret',
  };
  for (const [name, text] of Object.entries(files)) writeOld(join(folder, name), text);
  serve();
});
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

function serve(options: ServeFilesOptions = {}): void {
  tcp?.destroy();
  outcomes = [];
  tcp = new TcpServer({ port: 0, trigger: 'edge' });
  const listener = serveFiles(root, options);
  serveHttp(tcp, {}, async (request, response) => {
    outcomes.push(await listener(request, response));
  });
}

const get = (path: string, headers: IncomingHttpHeaders = {}, method = 'GET'): Promise<Answer> =>
  ask({ port: tcp.port, path, headers, method });

/** Each path with its status, and its text if that is a file. */
async function expectAnswers(table: Record<string, number | string>): Promise<void> {
  const answers: Record<string, number | string> = {};
  for (const path of Object.keys(table)) {
    const { status, body } = await get(path);
    answers[path] = status === 200 ? String(body) : (status as number);
    expect(String(body)).not.toContain('secret');
  }
  expect(answers).toEqual(table);
}

test('files, folders with an index, and what is not there', () =>
  expectAnswers({
    '/': '<h1>home</h1>',
    '/?query': '<h1>home</h1>',
    '/page.html': 'page',
    '/page.html?a=/../b#c': 'page',
    '//page.html': 'page',
    '/docs/': 'docs',
    '/docs//index.html': 'docs',
    '/docs': 301,
    '/empty/': 404,
    '/missing': 404,
    '/missing/': 404,
    '/page.html/': 404,
    '/page.html/x': 404,
    [`/${'x'.repeat(300)}`]: 404,
    [`/${'x/'.repeat(4_000)}`]: 404,
  }));

test('names are decoded, once', () =>
  expectAnswers({
    '/a%20b/100%25%20(1).txt': 'percent',
    '/%C3%BCn%C3%AF/c%C3%B4d%C3%A9.txt': 'unicode',
    '/%70age.html': 'page',
    '/back\\slash.txt': 'backslash',
    '/back%5Cslash.txt': 'backslash',
    '/%2570age.html': 404,
    '/%': 400,
    '/%zz': 400,
    '/%ff': 400,
    '/page.html%00': 400,
    '/%00/../secret': 400,
  }));

test('no path leads out of the root', () =>
  expectAnswers({
    '/../secret': 403,
    '/docs/../../secret': 403,
    '/docs/../page.html': 403,
    '/./page.html': 403,
    '/%2e%2e/secret': 403,
    '/%2e%2e%2fsecret': 403,
    '/..%2fsecret': 403,
    '/docs%2findex.html': 403,
    '/..\\secret': 404,
    '/%5c..%5csecret': 404,
    '/..%5csecret': 404,
    '//../secret': 403,
    '/.../secret': 404,
    '/%252e%252e/secret': 404,
  }));

test('the forms of a target: of a proxy’s request, of OPTIONS *, and no path', async () => {
  const speak = async (target: string, method = 'GET'): Promise<string> => {
    const peer = await client(tcp.port);
    peer.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    return (await receiveAll(peer)).toString();
  };
  expect(await speak('http://example.com/page.html')).toMatch(/200 OK\r\n[\s\S]*\r\n\r\npage$/);
  expect(await speak('http://example.com/../secret')).toMatch(/^HTTP\/1.1 403 /);
  expect(await speak('*', 'OPTIONS')).toMatch(/^HTTP\/1.1 405 /);
  expect(await speak('*')).toMatch(/^HTTP\/1.1 400 /);
  expect(await speak('page.html')).toMatch(/^HTTP\/1.1 400 /);
});

test('names that begin with a dot are not there, unless they are allowed', async () => {
  await expectAnswers({ '/.hidden': 404, '/.git/config': 404, '/%2egit/config': 404 });
  serve({ dotfiles: 'allow' });
  await expectAnswers({ '/.hidden': 'hidden', '/.git/config': 'config', '/../secret': 403 });
});

test('a folder’s URL without a slash is redirected, and never to another host', async () => {
  mkdirSync(join(root, 'evil.com'));
  mkdirSync(join(root, '\\evil.com'));
  mkdirSync(join(root, 'a:b'));
  const where = async (path: string): Promise<unknown> => {
    const { status, headers } = await get(path);
    return [status, String(new URL(headers.location ?? '', `http://me${path}`))];
  };
  expect(await where('/docs?x=1')).toEqual([301, 'http://me/docs/?x=1']);
  expect(await where('/a%20b')).toEqual([301, 'http://me/a%20b/']);
  expect(await where('/a:b')).toEqual([301, 'http://me/a:b/'.replace(':b', '%3Ab')]);
  expect((await get('//evil.com')).headers.location).toBe('./evil.com/');
  expect((await get('/\\evil.com')).headers.location).toBe('./%5Cevil.com/');
});

test('symbolic links: those that stay inside are followed, the others refused', async () => {
  symlinkSync('page.html', join(root, 'relative'));
  symlinkSync(join(root, 'page.html'), join(root, 'absolute'));
  symlinkSync('../root/docs', join(root, 'roundabout'));
  symlinkSync('../secret', join(root, 'out'));
  symlinkSync('/etc', join(root, 'etc'));
  symlinkSync(folder, join(root, 'up'));
  symlinkSync('.', join(root, 'self'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('nowhere', join(root, 'dangling'));
  // A neighbour whose name begins as the root's does.
  mkdirSync(`${root}-other`);
  writeFileSync(join(`${root}-other`, 'file'), 'secret');
  symlinkSync(`${root}-other`, join(root, 'other'));
  await expectAnswers({
    '/relative': 'page',
    '/absolute': 'page',
    '/roundabout/': 'docs',
    '/roundabout': 301,
    '/self': 301,
    '/self/page.html': 'page',
    '/out': 403,
    '/etc/passwd': 403,
    '/etc': 403,
    '/up/secret': 403,
    '/up/root/page.html': 'page',
    '/other/file': 403,
    '/loop': 404,
    '/dangling': 404,
  });
});

test('the root of the whole file system', async () => {
  const path = join(realpathSync(root), 'page.html');
  root = '/';
  serve({ dotfiles: 'allow' });
  await expectAnswers({ [encodeURI(path)]: 'page', '/dev/null': 403 });
});

test('a root that is a symbolic link itself', async () => {
  symlinkSync(root, join(folder, 'link'));
  root = join(folder, 'link');
  serve();
  await expectAnswers({ '/page.html': 'page', '/../secret': 403 });
});

test('a root whose name is not ASCII', async () => {
  root = join(root, 'ünï');
  serve();
  await expectAnswers({ '/c%C3%B4d%C3%A9.txt': 'unicode', '/../page.html': 403 });
});

test('a link that is exchanged between check and use never shows what is outside', async () => {
  const script = `
    const { renameSync, symlinkSync, writeFileSync } = require('node:fs');
    const { workerData: root, parentPort } = require('node:worker_threads');
    let isOver = false;
    parentPort.once('message', () => { isOver = true; });
    const turn = () => {
      for (let count = 0; count < 100; count += 1) {
        symlinkSync('../secret', root + '/next');
        renameSync(root + '/next', root + '/moving');
        writeFileSync(root + '/next', 'inside');
        renameSync(root + '/next', root + '/moving');
      }
      if (isOver) parentPort.close();
      else setImmediate(turn);
    };
    turn();`;
  const worker = new Worker(script, { eval: true, workerData: root });
  const seen = new Set<string>();
  const isEnough = (count: number): boolean =>
    count >= 500 && seen.has('403') && seen.has('inside');
  for (let count = 0; !isEnough(count); count += 1) {
    const { status, body } = await get('/moving');
    seen.add(status === 200 ? String(body) : String(status));
  }
  worker.postMessage('over');
  await next(worker, 'exit');
  // The link was not there yet.
  seen.delete('404');
  expect([...seen].sort()).toEqual(['403', 'inside']);
});

testWith(findProgram('mkfifo'), 'mkfifo')(
  'FIFOs, sockets and devices are refused at once',
  async () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    symlinkSync('/dev/zero', join(root, 'device'));
    const unix = createServer().listen(join(root, 'socket'));
    await next(unix, 'listening');
    await expectAnswers({ '/fifo': 403, '/device': 403, '/socket': 403 });
    unix.close();
  },
);

const isRoot = process.getuid?.() === 0;

/** What the server of a process answers that may not do everything, or has no fds. */
async function answersElsewhere(script: string): Promise<string> {
  const source = join(ROOT, 'src');
  const child = new Child(process.execPath, [
    ...RUNS_TYPESCRIPT,
    '-e',
    `const { request } = require('node:http');
     const lib = require(${JSON.stringify(source)});
     const { serveFiles, serveHttp, sys, TcpServer, EventLoop, constants } = lib;
     // No thread of ours opens an fd, or gives one back, when they are counted.
     const tcp = new TcpServer({ port: 0, loop: new EventLoop({ waiter: 'libuv' }) });
     const listener = serveFiles(${JSON.stringify(root)});
     serveHttp(tcp, {}, async (incoming, response) => {
       const { statusCode, complete, error } = await listener(incoming, response);
       console.log(statusCode, complete, error?.code);
       answered += 1;
     });
     let [asked, answered] = [0, 0];
     const agent = new (require('node:http').Agent)({ keepAlive: true, maxSockets: 1 });
     const get = async (path) => {
       asked += 1;
       await new Promise((resolve, reject) => {
         request({ port: tcp.port, host: '127.0.0.1', path, agent }, (answer) => {
           answer.resume().on('end', resolve);
         }).on('error', reject).end();
       });
       // The file is closed, and the connection free for the next request.
       while (answered < asked || Object.keys(agent.freeSockets).length === 0) {
         await new Promise(setImmediate);
       }
     };
     (async () => { ${script}; agent.destroy(); tcp.close(); })();`,
  ]);
  expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
  return child.stdout;
}

test('a file that may not be read is a 403, and so is one in a folder that may not be entered', async () => {
  mkdirSync(join(root, 'closed'));
  writeOld(join(root, 'closed/file'), 'x');
  chmodSync(join(root, 'page.html'), 0o200);
  chmodSync(join(root, 'closed'), 0o600);
  // Root may read everything: it becomes nobody, who must get to the folder.
  const become = isRoot ? 'process.setgid(65534); process.setuid(65534);' : '';
  chmodSync(folder, 0o755);
  const script = `await get('/');${become} for (const path of ['/page.html', '/closed/file', '/docs/']) await get(path)`;
  expect(await answersElsewhere(script)).toBe(
    '200 true undefined\n403 true EACCES\n403 true EACCES\n200 true undefined\n',
  );
});

test('without a free fd a file is opened by one that was kept for it', async () => {
  const script = `
    await get('/page.html');
    const fds = [];
    sys.prlimit(0, constants.RLIMIT_NOFILE, { soft: 100, hard: 100 }, null);
    for (let fd = 0; fd >= 0; ) {
      fd = sys.eventfd(0, constants.EFD_CLOEXEC);
      if (fd >= 0) fds.push(fd);
    }
    await get('/page.html');
    // One for the search, none for the file itself.
    sys.close(fds.pop());
    await get('/page.html');
    for (const fd of fds) sys.close(fd);
    await get('/page.html');`;
  expect(await answersElsewhere(script)).toBe('200 true undefined\n'.repeat(4));
});

test('other methods than GET and HEAD are a 405 that names these', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const { status, headers } = await get('/page.html', {}, method);
    expect([method, status, headers.allow]).toEqual([method, 405, 'GET, HEAD']);
  }
  const head = await get('/page.html', {}, 'HEAD');
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '4', 0]);
});

test('ranges, conditions, types, and what the options say of them', async () => {
  const first = await get('/page.html');
  expect(first.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'accept-ranges': 'bytes',
    'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT',
  });
  expect(first.headers['cache-control']).toBeUndefined();
  expect((await get('/page.html', { 'if-none-match': first.headers.etag as string })).status).toBe(
    304,
  );
  expect(String((await get('/page.html', { range: 'bytes=1-2' })).body)).toBe('ag');
  expect((await get('/page.html', { range: 'bytes=4-' })).status).toBe(416);
  serve({
    cacheControl: 'max-age=60',
    range: false,
    etag: false,
    lastModified: false,
    index: false,
  });
  const { headers } = await get('/page.html');
  expect(headers['cache-control']).toBe('max-age=60');
  expect([headers.etag, headers['last-modified'], headers['accept-ranges']]).toEqual(
    Array(3).fill(undefined),
  );
  await expectAnswers({ '/': 404, '/docs/': 404, '/docs/index.html': 'docs', '/docs': 301 });
});

test('the listener resolves to its answer, and the reason if it sent no file', async () => {
  await get('/page.html');
  await get('/missing');
  await get('/../secret');
  await until(() => outcomes.length === 3);
  expect(outcomes).toEqual([
    { statusCode: 200, complete: true, error: undefined },
    { statusCode: 404, complete: true, error: expect.objectContaining({ code: 'ENOENT' }) },
    { statusCode: 403, complete: true, error: undefined },
  ]);
});

test('a wrong root and wrong options are refused at once', () => {
  expect(() => serveFiles(join(folder, 'missing'))).toThrow(/ENOENT/);
  expect(() => serveFiles(join(folder, 'secret'))).toThrow(/ENOTDIR: .*secret is not a directory/);
  const wrong: Record<string, unknown> = {
    ...{ index: 'a/b', dotfiles: 'deny', cacheControl: '', indx: '', range: 1 },
    ...{ etag: 'no quotes', lastModified: 'today', contentType: 'text/plain' },
  };
  for (const [name, value] of Object.entries(wrong)) {
    expect(() => serveFiles(root, { [name]: value })).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringMatching(new RegExp(`"${name}"|"${name}" of serveFiles`)),
      }),
    );
  }
});
