/** That what the README shows is true: the prototype runs, and every other piece of code compiles. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import * as epollFfi from '../src';
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

/** What the pieces take for granted. */
const PREAMBLE = `
  import { openSync, readSync } from 'node:fs';
  import { spawn } from 'node:child_process';
  declare const fd: number, other: number, pid: number, value: Buffer, key: string, cert: string;
  declare function store(chunk: Buffer): Promise<void>;
  declare const smtp: { server: import('node:net').Server };
`;

test('every piece of TypeScript in the README compiles', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const pieces = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
  expect(pieces.length).toBeGreaterThanOrEqual(4);
  const names = Object.keys(epollFfi).join(', ');
  const all = `import { ${names} } from 'epoll-ffi';`;
  const files = new Map(
    pieces.map((piece, index) => {
      const imports = /from 'epoll-ffi'/.test(piece) ? '' : all;
      return [join(ROOT, `test/readme-${index}.ts`), `${PREAMBLE}${imports}\n${piece}`] as const;
    }),
  );
  expect(errorsIn(files)).toEqual([]);
});

/** Type errors of files that are not on the disk. */
function errorsIn(files: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const settings: ts.CompilerOptions = {
    ...options,
    module: ts.ModuleKind.ESNext,
    noUnusedLocals: false,
    paths: { 'epoll-ffi': [join(ROOT, 'src/index.ts')] },
  };
  const host = ts.createCompilerHost(settings);
  const { getSourceFile } = host;
  host.getSourceFile = (name, version) => {
    const text = files.get(name);
    return text === undefined
      ? getSourceFile(name, version)
      : ts.createSourceFile(name, text, version);
  };
  const { fileExists } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  const program = ts.createProgram([...files.keys()], settings, host);
  return [...files.keys()].flatMap((name) => {
    const file = program.getSourceFile(name) as ts.SourceFile;
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    return found.map(({ messageText, start = 0 }) => {
      const line = file.text.slice(start).split('\n', 1)[0];
      return `${ts.flattenDiagnosticMessageText(messageText, ' ')}: ${line}`;
    });
  });
}
