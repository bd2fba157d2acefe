/**
 * Plain words in comments, error texts and documents: one verb has one meaning (emit an event, report an
 * error, call a callback, return a value, notify a thread), and a clause names the thing that acts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './support/child';

/** Words that hide who acts, or stand for several verbs at once. */
const FORBIDDEN: readonly RegExp[] = [
  /\b(?:told|tells?|telling)\b/i,
  /\b(?:whoever|whomever|whom)\b/i,
  /\b(?:nobody|somebody|anybody)\b/i,
  // A sentence or clause whose subject is a pronoun, as in "What is cut is lost" or "who waits is served".
  /(?:^|[.;:] )(?:What|Who) (?!is (?:it|this)\b)[a-z]+ (?!.*\?)/,
  /[.;:,] (?:and |but |so )?(?:what|who) (?:is|was|are|were|comes|came|has|have|does|did)\b/,
  /\bbehind (?:our|your|its) back\b/i,
];

const files = ['src', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  )
  .concat('README.md', 'CONTRIBUTING.md', 'SECURITY.md')
  .filter((name) => /\.(?:m?ts|mjs|js|md)$/.test(name))
  .sort();

/** The sentences of a file, each with its line: of code, its comments and string literals. */
function prose(name: string, text: string): [line: number, text: string][] {
  if (name.endsWith('.md')) return text.split('\n').map((line, index) => [index + 1, line]);
  const tree = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: [number, string][] = [];
  const add = (start: number, piece: string): void => {
    const { line } = tree.getLineAndCharacterOfPosition(start);
    found.push([line + 1, piece]);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node)) {
      add(node.getStart(tree), node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  for (const { index, 0: comment } of text.matchAll(COMMENT)) add(index, unwrapped(comment));
  return found;
}

const COMMENT = /\/\*\*?[\s\S]*?\*\/|(?:^[ \t]*\/\/.*\n)+|(?<=[;,{(] )\/\/ .*$/gm;

/** A comment as one line, without its stars and slashes. */
function unwrapped(comment: string): string {
  return comment
    .replace(/^\/\*\*?|\*\/$/g, '')
    .replace(/^[ \t]*(?:\*|\/\/)[ \t]?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function objections(name: string, text: string): string[] {
  return prose(name, text).flatMap(([line, piece]) =>
    FORBIDDEN.flatMap((form) => {
      const { index, 0: words } = form.exec(piece) ?? { index: -1, 0: '' };
      return index < 0
        ? []
        : [`${name}:${line}: "${words}" in "${piece.slice(index, index + 60)}"`];
    }),
  );
}

test('comments, error texts and documents use plain words', () => {
  const found = files.flatMap((name) => objections(name, readFileSync(join(ROOT, name), 'utf8')));
  expect(found).toEqual([]);
});

test('the test itself sees comments and strings, and no names in code', () => {
  const seen = (text: string): number => objections('made-up.ts', text).length;
  expect(seen('/** The caller is told the\n * error. */')).toBe(1);
  expect(seen('// Closed behind our\n// back.\n')).toBe(1);
  expect(seen("const reason = 'nobody listens';")).toBe(1);
  expect(seen('const text = `queued, nobody reads`;')).toBe(1);
  expect(seen('/** What is cut is lost. */')).toBe(1);
  expect(seen('/** Clients wait; who is left is cut. */')).toBe(1);
  expect(seen('const tell = told(1); // the names are free\n')).toBe(0);
  expect(seen('/** Closes the fd. What is it? A socket. */')).toBe(0);
});
