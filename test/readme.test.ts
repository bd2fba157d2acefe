/** That the README's prototype runs as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runTs } from './support/child';

test('the quick prototype of the README', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const code = /```js\n(.*?)```/s.exec(readme)?.[1] as string;
  expect(code).toContain("require('epoll-ffi')");
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    const file = join(folder, 'prototype.js');
    writeFileSync(file, code.replace("'epoll-ffi'", JSON.stringify(join(ROOT, 'src'))));
    const prototype = runTs(file);
    prototype.process.stdin?.write('hello\n');
    await prototype.printed(/6 bytes/);
    prototype.process.stdin?.end();
    expect(await prototype.exit()).toEqual({ code: 0, signal: null });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
