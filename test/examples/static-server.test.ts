/** Runs examples/static-server.ts as its header says: node's client, curl, and ab. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Child, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { writeOld } from '../support/files';
import { ask } from '../support/http-client';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';
import { sha } from '../support/sha';

expectNoFdLeaks();

/** Starting from TypeScript takes long where others work too. */
const PATIENCE_MS = 150_000;
jest.setTimeout(200_000);

const run = promisify(execFile);

describe('static-server', () => {
  let root: string;
  let child: Child;
  let port: number;
  let url: string;
  beforeAll(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'epoll-ffi-')));
    mkdirSync(join(root, 'docs'));
    writeOld(join(root, 'docs/index.html'), '<h1>docs</h1>');
    child = runTs('examples/static-server.ts', { env: { PORT: '0', ROOT: root } });
    const [, found] = await child.printed(/listening at http:\/\/127.0.0.1:(\d+)/, PATIENCE_MS);
    port = Number(found);
    url = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    child.kill('SIGINT');
    expect(await child.exit()).toMatchObject({ code: 0 });
    expect(child.stderr).toBe('');
    rmSync(root, { recursive: true });
  });

  test('files of all sizes, and what could not be sent', async () => {
    for (const [name, size] of Object.entries({ 'a.css': 0, 'b.js': 1, 'c.bin': 3_000_000 })) {
      const bytes = writeOld(join(root, name), size);
      const { status, body } = await ask({ port, path: `/${name}` });
      expect([status, sha(body)]).toEqual([200, sha(bytes)]);
    }
    expect(String((await ask({ port, path: '/docs/' })).body)).toBe('<h1>docs</h1>');
    expect((await ask({ port, path: '/missing' })).status).toBe(404);
    await child.printed(/^\/missing: 404, ENOENT: /m, PATIENCE_MS);
  });

  const curl = findProgram('curl');

  testWith(curl, 'curl')('curl follows, resumes and asks again', async () => {
    const bytes = writeOld(join(root, 'a.bin'), 100_000);
    const ask = async (...args: string[]): Promise<Buffer> => {
      const { stdout } = await run(curl as string, ['-sS', ...args], { encoding: 'buffer' });
      return stdout;
    };
    expect(String(await ask('-L', `${url}/docs`))).toBe('<h1>docs</h1>');
    expect(await ask('-r', '99990-', `${url}/a.bin`)).toEqual(bytes.subarray(99_990));
    expect(String(await ask('-I', `${url}/a.bin`))).toMatch(
      /^HTTP\/1.1 200 OK\r\n[\s\S]*Content-Length: 100000\r\n/,
    );
    expect(String(await ask('--path-as-is', '-w', '%{http_code}', `${url}/../x`))).toMatch(/403$/);
    const code = ['-o', '/dev/null', '-w', '%{http_code}'];
    const date = 'If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT';
    expect(String(await ask(...code, '-H', date, `${url}/a.bin`))).toBe('304');
  });

  const ab = findProgram('ab');

  testWith(ab, 'ab')('ab finds no failed request', async () => {
    const bytes = writeOld(join(root, 'page.html'), 10_000);
    const words = ['-q', '-k', '-s', '120', '-c', '20', '-n', '2000', `${url}/page.html`];
    const { stdout } = await run(ab as string, words);
    expect(stdout).toMatch(/^Complete requests: +2000$/m);
    expect(stdout).toMatch(/^Failed requests: +0$/m);
    expect(stdout).toMatch(/^Keep-Alive requests: +2000$/m);
    expect(stdout).toMatch(new RegExp(`^HTML transferred: +${2000 * bytes.length} bytes$`, 'm'));
    expect(stdout).not.toMatch(/Non-2xx/);
  });
});
