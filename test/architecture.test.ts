/** The picture of src/README.md, as a test: layers, doors, dead files, sizes, doc comments. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { ROOT } from './support/child';

const SRC = join(ROOT, 'src');
/** A layer may import itself and those before it. */
const LAYERS = ['base', 'sys', 'bytes', 'epoll', 'loop', 'watch', 'net', 'http', 'ws', 'compat'];
/**
 * The rooms of a layer, floor by floor from the ground: a room may import itself and those of the floors
 * below, but none beside it. `.` stands for the files of the layer's own folder.
 */
const ROOMS: Record<string, string[][]> = {
  watch: [['.'], ['inotify', 'sources', 'stream']],
  net: [['socket'], ['connection'], ['client', 'datagram', 'duplex', 'server']],
  http: [['.'], ['files', 'server']],
};
/** Who may import which package. */
const PACKAGES: Record<string, string[]> = {
  koffi: ['sys'],
  zod: ['base', 'loop', 'watch', 'net', 'http', 'ws'],
  eventemitter3: ['watch', 'net', 'ws'],
  fresh: ['http'],
  'mime-types': ['http'],
  'range-parser': ['http'],
};
/** What nothing imports: the faces of the package, and the scripts that run as threads. */
const ENTRIES = ['index.ts', 'index.mts', 'compat/epoll.ts', 'loop/waiter-thread.ts'];
const MAX_LINES = 400;

interface Import {
  from: string;
  /** A file of src, or a package. */
  to: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.m?ts$/.test(name))
  .sort();
const trees = new Map(
  files.map((name) => {
    const text = readFileSync(join(SRC, name), 'utf8');
    return [name, ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)] as const;
  }),
);
const imports = [...trees].flatMap(([name, tree]) => importsOf(name, tree));

function importsOf(name: string, tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const specifier = statement.moduleSpecifier;
    if (specifier === undefined || !ts.isStringLiteral(specifier)) continue;
    const to = specifier.text.startsWith('.') ? resolve(name, specifier.text) : specifier.text;
    found.push({ from: name, to });
  }
  return found;
}

function resolve(from: string, specifier: string): string {
  const path = relative(SRC, join(SRC, dirname(from), specifier)).replace(/\.js$/, '');
  const candidates = [`${path}.ts`, join(path, 'index.ts')];
  const file = candidates.find((candidate) => files.includes(candidate));
  if (file === undefined) throw new Error(`${from} imports ${specifier}, which is not there`);
  return file;
}

const layerOf = (file: string): string =>
  file.includes('/') ? (file.split('/')[0] as string) : 'index';
/** The room of a layer in which a file stands. */
const roomOf = (file: string): string =>
  file.split('/').length > 2 ? (file.split('/')[1] as string) : '.';
/** An `index.ts`, which only exports. */
const isFace = (file: string): boolean => file.endsWith('/index.ts');
const isOurs = ({ to }: Import): boolean => files.includes(to);

test('every folder of src is a layer, and every layer a folder', () => {
  const folders = new Set(files.map(layerOf));
  expect([...folders].sort()).toEqual([...LAYERS, 'index'].sort());
});

test('a layer imports only itself and the layers before it', () => {
  const order = [...LAYERS, 'index'];
  const reversed = imports.filter(
    (one) => isOurs(one) && order.indexOf(layerOf(one.to)) > order.indexOf(layerOf(one.from)),
  );
  expect(reversed).toEqual([]);
});

test('a room imports only itself and the floors below it', () => {
  const wrong = imports.filter((one) => {
    const floors = ROOMS[layerOf(one.from)];
    if (floors === undefined || layerOf(one.to) !== layerOf(one.from) || isFace(one.from))
      return false;
    const [from, to] = [roomOf(one.from), roomOf(one.to)];
    const floorOf = (room: string): number => floors.findIndex((floor) => floor.includes(room));
    return from !== to && floorOf(to) >= floorOf(from);
  });
  expect(wrong).toEqual([]);
});

test('every folder inside a layer is a room', () => {
  const rooms = files
    .filter((file) => roomOf(file) !== '.')
    .map((file) => `${layerOf(file)}/${roomOf(file)}`);
  const named = Object.entries(ROOMS).flatMap(([layer, floors]) =>
    floors
      .flat()
      .filter((room) => room !== '.')
      .map((room) => `${layer}/${room}`),
  );
  expect([...new Set(rooms)].sort()).toEqual(named.sort());
});

test('no layer is imported through its index, but by the face of the package', () => {
  const roundabout = imports.filter(
    ({ from, to }) => to.endsWith('/index.ts') && layerOf(from) !== 'index',
  );
  expect(roundabout).toEqual([]);
});

test('packages are imported where they belong', () => {
  const wrong = imports.filter((one) => {
    if (isOurs(one) || one.to.startsWith('node:')) return false;
    return !(PACKAGES[one.to] ?? []).includes(layerOf(one.from));
  });
  expect(wrong).toEqual([]);
  const plain = imports.filter(({ to }) => builtinModules.includes(to));
  expect(plain).toEqual([]);
});

test('koffi is imported by one file', () => {
  const doors = imports.filter(({ to }) => to === 'koffi').map(({ from }) => from);
  expect([...new Set(doors)]).toEqual(['sys/libc.ts']);
});

test('no file imports itself, not even through others, and not for a type', () => {
  const next = new Map(files.map((name) => [name, [] as string[]]));
  for (const one of imports) if (isOurs(one)) next.get(one.from)?.push(one.to);
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file]);
    if (path.includes(file) || done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

test('no file is dead', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const one of imports) if (one.from === file && isOurs(one)) visit(one.to);
  };
  ENTRIES.forEach(visit);
  expect(files.filter((file) => !reached.has(file))).toEqual([]);
});

test(`no file of src has more than ${MAX_LINES} lines`, () => {
  const long = [...trees].map(([name, tree]) => [name, tree.getLineStarts().length] as const);
  expect(long.filter(([, lines]) => lines > MAX_LINES)).toEqual([]);
});

test('every file opens with its contract, and every exported thing has a doc comment', () => {
  const bare: string[] = [];
  for (const [name, tree] of trees) {
    if (!tree.text.startsWith('/**')) bare.push(name);
    for (const statement of tree.statements) {
      const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
      const isExported = modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
      if (isExported !== true || name === 'sys/constants.ts') continue;
      if (ts.getJSDocCommentsAndTags(statement).length > 0) continue;
      bare.push(`${name}: ${statement.getText().split('\n', 1)[0]}`);
    }
  }
  expect(bare).toEqual([]);
});

test('examples import the package’s face, and no layer', () => {
  const folder = join(ROOT, 'examples');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const deep = names
    .filter((name) => name.endsWith('.ts'))
    .filter((name) => /from '(\.\.\/)+src\/.+'/.test(readFileSync(join(folder, name), 'utf8')));
  expect(deep).toEqual([]);
});
