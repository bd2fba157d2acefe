/** src/ERRORS.md is complete and true: every code of the sources is on it, and none that is not. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import * as errors from '../../src/base/errors';
import { ROOT } from '../support/child';

const SRC = join(ROOT, 'src');
/** A layer may continue the table of base. */
const TABLES = ['base/errors.ts', 'cluster/errors.ts'];
/** An own code in a string, as a whole. */
const CODE = /^(ERR_[A-Z0-9_]+|EPOLL_FFI_[A-Z_]+|EPOLLERR)$/;
/** An own code in a sentence. */
/** A code of Node's, which the sources compare with, and the name of a variable. */
const OTHERS = ['ERR_REQUIRE_ESM', 'EPOLL_FFI_PREFORK'];
const MENTIONED = /\b(ERR_[A-Z0-9_]*[A-Z0-9])\b/g;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort();
const texts = new Map(files.map((name) => [name, readFileSync(join(SRC, name), 'utf8')]));
const page = readFileSync(join(SRC, 'ERRORS.md'), 'utf8');

/** The strings of a file: not its comments. */
function stringsOf(name: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    else if (ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      found.push(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(name, texts.get(name) as string, ts.ScriptTarget.Latest, true));
  return found;
}

/** The first cells of the tables. */
const listed = [...page.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, code]) => code as string);
const made = [...new Set(TABLES.flatMap(stringsOf).filter((text) => CODE.test(text)))];

test('every code that is made is on the page', () => {
  expect(made.length).toBeGreaterThan(25);
  expect(made.filter((code) => !listed.includes(code))).toEqual([]);
});

test('every code on the page is made, and stands there once', () => {
  expect(listed.filter((code) => !made.includes(code))).toEqual([]);
  expect(listed).toEqual([...new Set(listed)]);
});

test('every row says which call, what it means and what to do', () => {
  const rows = page.split('\n').filter((line) => /^\| `(ERR_|EPOLL)/.test(line));
  const cells = rows.map((row) => row.split(' | ').filter((cell) => /\w/.test(cell)).length);
  expect(cells).toEqual(rows.map(() => 4));
});

test('no other file makes a code of its own', () => {
  const others = files.filter(
    (name) => !TABLES.includes(name) && /ERR_|EPOLL_FFI_/.test(texts.get(name) as string),
  );
  const strange = others.flatMap((name) =>
    stringsOf(name)
      .filter((text) => /\b(ERR_[A-Z]|EPOLL_FFI_)/.test(text) && !OTHERS.includes(text))
      .map((text) => `${name}: ${text}`),
  );
  expect(strange).toEqual([]);
});

test('every error that is made outside of the table has a code from elsewhere', () => {
  const bare = files
    .filter((name) => !TABLES.includes(name))
    .filter((name) => /new (Type|Range)?Error\(/.test(texts.get(name) as string));
  expect(bare).toEqual([]);
});

test('every code that a comment mentions is made', () => {
  const wrong = [...texts].flatMap(([name, text]) =>
    [...text.matchAll(MENTIONED)]
      .filter(([, code]) => ![...made, ...OTHERS].includes(code as string))
      .map(([, code]) => `${name}: ${code}`),
  );
  expect(wrong).toEqual([]);
});

test('a constructor makes an error with a code, a message with the value, and no system call', () => {
  expect(errors.fileTruncated(7, 4_096)).toMatchObject({ code: 'ERR_FILE_TRUNCATED', fd: 7 });
  expect(errors.fileTruncated(7, 4_096).message).toContain('fd 7 ended at offset 4096');
  expect(errors.webSocketProtocol('a mask is missing', 1002)).toMatchObject({
    code: 'ERR_WEBSOCKET_PROTOCOL',
    closeCode: 1002,
    message: 'WebSocket peer refused: a mask is missing',
  });
  expect(errors.wrongType('x')).toBeInstanceOf(TypeError);
  expect(errors.wrongRange('x')).toBeInstanceOf(RangeError);
  expect(errors.loopClosed('is')).not.toHaveProperty('errno');
});
