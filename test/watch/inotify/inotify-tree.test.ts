import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { InotifyTree } from '../../../src/watch/inotify/tree';
import type { InotifyTreeOptions, TreeRecord } from '../../../src/watch/inotify/tree-record';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { testMounting } from '../../support/mounting';
import { findProgram } from '../../support/programs';
import { testIf, testWith } from '../../support/requires';
import { random, setSeed } from '../../support/storm-random';
import { until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

/** What a consumer knows of the tree: every path, from the records alone. */
class Model {
  readonly paths = new Set<string>();
  readonly lines: string[] = [];
  overflows = 0;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  apply(record: TreeRecord): void {
    this.lines.push(this.#lineOf(record));
    if (record.kind === 'overflow') {
      this.overflows += 1;
    } else if (record.kind === 'move') {
      const moved = this.#below(record.from.path);
      this.#removeBelow(record.from.path);
      this.#removeBelow(record.to.path);
      for (const path of moved)
        this.paths.add(record.to.path + path.slice(record.from.path.length));
      this.paths.add(record.to.path);
    } else if (record.kind === 'create' || record.kind === 'movedTo') {
      this.paths.add(record.path);
    } else if (record.kind === 'delete' || record.kind === 'movedFrom') {
      this.#removeBelow(record.path);
    }
  }

  /** Whether the consumer knows exactly what is there. */
  isTrue(): boolean {
    const real = fs.readdirSync(this.#root, { recursive: true, encoding: 'utf8' });
    if (real.length !== this.paths.size) return false;
    return real.every((name) => this.paths.has(join(this.#root, name)));
  }

  #below(path: string): string[] {
    return [...this.paths].filter((one) => one === path || one.startsWith(`${path}/`));
  }

  #removeBelow(path: string): void {
    for (const one of this.#below(path)) this.paths.delete(one);
  }

  #lineOf(record: TreeRecord): string {
    const short = (path: string): string => path.slice(this.#root.length + 1);
    if (record.kind === 'overflow') return 'overflow';
    if (record.kind === 'move') return `move ${short(record.from.path)} > ${short(record.to.path)}`;
    const isFound = 'found' in record && record.found;
    return `${isFound ? 'found' : record.kind} ${short(record.path)}`.trimEnd();
  }
}

function watchTree(root: string, options: InotifyTreeOptions = {}): [InotifyTree, Model] {
  const tree = new InotifyTree(root, { events: ['closeWrite'], ...options });
  const model = new Model(root);
  tree.on('change', (record) => model.apply(record));
  return [tree, model];
}

test('tells of files in old and new directories, each once', async () => {
  const root = makeFolder();
  fs.mkdirSync(join(root, 'old'));
  const [tree, model] = watchTree(root);
  using _ = tree;
  fs.writeFileSync(join(root, 'old/a'), '');
  await until(() => model.lines.length === 2);
  fs.mkdirSync(join(root, 'new'));
  await until(() => tree.size === 3);
  fs.writeFileSync(join(root, 'new/b'), '');
  await until(() => model.lines.length === 5);
  expect(model.lines).toEqual([
    'create old/a',
    'closeWrite old/a',
    'create new',
    'create new/b',
    'closeWrite new/b',
  ]);
});

test('what was made before the watch was placed is found: mkdir -p with files in it', async () => {
  const root = makeFolder();
  const [tree, model] = watchTree(root);
  using _ = tree;
  const deep = join(root, 'a/b/c/d/e/f');
  fs.mkdirSync(deep, { recursive: true });
  fs.writeFileSync(join(deep, 'file'), 'x');
  fs.writeFileSync(join(root, 'a/file'), 'x');
  await until(() => model.isTrue());
  expect(tree.size).toBe(7);
  expect(model.lines.filter((line) => line.endsWith('a/file'))).toEqual(['found a/file']);
  fs.writeFileSync(join(deep, 'file'), 'y');
  await until(() => model.lines.at(-1) === 'closeWrite a/b/c/d/e/f/file');
});

test('tellExisting tells what is there; ignore leaves directories alone', async () => {
  const root = makeFolder();
  fs.mkdirSync(join(root, 'a/skipped/b'), { recursive: true });
  fs.writeFileSync(join(root, 'a/f'), '');
  const ignore = (path: string): boolean => path.endsWith('/skipped');
  const [tree, model] = watchTree(root, { tellExisting: true, ignore });
  using _ = tree;
  await until(() => model.lines.length === 3);
  expect(model.lines.sort()).toEqual(['found a', 'found a/f', 'found a/skipped']);
  expect(tree.size).toBe(2);
});

test('a moved directory is followed: within the tree, out of it, and into it', async () => {
  const [root, outside] = [makeFolder(), makeFolder()];
  fs.mkdirSync(join(root, 'a/b/c'), { recursive: true });
  fs.mkdirSync(join(root, 'd'));
  const [tree, model] = watchTree(root, { tellExisting: true });
  using _ = tree;
  fs.renameSync(join(root, 'a/b'), join(root, 'd/x'));
  fs.writeFileSync(join(root, 'd/x/c/file'), '');
  await until(() => model.isTrue());
  expect(model.lines).toContain('move a/b > d/x');
  expect(model.lines).toContain('closeWrite d/x/c/file');
  expect(tree.size).toBe(5);

  fs.renameSync(join(root, 'd/x'), join(outside, 'x'));
  await until(() => tree.size === 3);
  fs.writeFileSync(join(outside, 'x/c/unseen'), '');
  fs.renameSync(join(outside, 'x'), join(root, 'y'));
  await until(() => model.isTrue() && tree.size === 5);
  expect(model.lines.slice(-5)).toEqual([
    'movedFrom d/x',
    'movedTo y',
    'found y/c',
    expect.stringMatching(/found y\/c\/(file|unseen)/),
    expect.stringMatching(/found y\/c\/(file|unseen)/),
  ]);
});

test('renamed before it is watched, and its name taken by another', async () => {
  const root = makeFolder();
  const [tree, model] = watchTree(root);
  using _ = tree;
  // All of it happens before the tree reads the first event.
  fs.mkdirSync(join(root, 'a/one'), { recursive: true });
  fs.renameSync(join(root, 'a'), join(root, 'b'));
  fs.mkdirSync(join(root, 'a/two'), { recursive: true });
  await until(() => model.isTrue() && tree.size === 5);
  fs.writeFileSync(join(root, 'a/two/file'), '');
  fs.writeFileSync(join(root, 'b/one/file'), '');
  await until(() => model.isTrue());
  expect(model.lines.slice(-4)).toEqual([
    'create a/two/file',
    'closeWrite a/two/file',
    'create b/one/file',
    'closeWrite b/one/file',
  ]);
});

test('the consumer knows the tree after anything: random changes, read at random times', async () => {
  const root = makeFolder();
  const outside = makeFolder();
  const seed = Math.floor(Math.random() * 2 ** 30) + 1;
  setSeed(seed);
  const [tree, model] = watchTree(root, { renameWaitMs: 1 });
  using _ = tree;
  const somewhere = (): string => {
    const depth = 1 + random(3);
    return join(root, ...Array.from({ length: depth }, () => 'abc'[random(3)] as string));
  };
  const attempts: (() => void)[] = [
    () => fs.mkdirSync(somewhere(), { recursive: true }),
    () => fs.mkdirSync(somewhere(), { recursive: true }),
    () => fs.writeFileSync(somewhere(), ''),
    () => fs.renameSync(somewhere(), somewhere()),
    () => fs.renameSync(somewhere(), somewhere()),
    () => fs.renameSync(somewhere(), join(outside, 'abc'[random(3)] as string)),
    () => fs.renameSync(join(outside, 'abc'[random(3)] as string), somewhere()),
    () => fs.rmSync(somewhere(), { recursive: true }),
  ];
  for (let round = 0; round < 150; round += 1) {
    for (let count = random(12); count >= 0; count -= 1) {
      try {
        attempts[random(attempts.length)]?.();
      } catch {
        // No such place now, or something is in the way.
      }
    }
    if (random(3) > 0) await new Promise(setImmediate);
    if (round % 10 < 9) continue;
    const known = (): boolean => model.isTrue();
    await until(known).catch(() => {
      const real = fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
      expect({ seed, known: [...model.paths].sort() }).toEqual({
        seed,
        known: real.map((name) => join(root, name)),
      });
    });
  }
});

const maxQueued = Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
testIf(maxQueued <= 200_000, 'a fs.inotify.max_queued_events of at most 200,000')(
  `after an overflow (more than ${maxQueued} events) what was missed is told`,
  async () => {
    const root = makeFolder();
    fs.mkdirSync(join(root, 'gone/sub'), { recursive: true });
    fs.mkdirSync(join(root, 'stays'));
    const [tree, model] = watchTree(root, { tellExisting: true });
    using _ = tree;
    await until(() => model.isTrue());
    for (let count = 0; count < maxQueued / 2 + 10; count += 1) {
      for (const name of ['x', 'y']) fs.writeFileSync(join(root, 'stays', name), '');
    }
    fs.rmSync(join(root, 'gone'), { recursive: true });
    fs.mkdirSync(join(root, 'late/deep'), { recursive: true });
    fs.writeFileSync(join(root, 'late/deep/file'), '');
    await until(() => model.overflows === 1 && model.isTrue());
    expect(tree.size).toBe(4);
    fs.writeFileSync(join(root, 'late/deep/more'), '');
    await until(() => model.isTrue());
    expect(model.overflows).toBe(1);
  },
);

test('names that are not UTF-8 are followed', async () => {
  const root = makeFolder();
  const [tree, model] = watchTree(root);
  using _ = tree;
  const raws: (Buffer | null)[] = [];
  tree.on('change', (record) => raws.push('rawPath' in record ? record.rawPath : null));
  const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]);
  fs.mkdirSync(odd);
  await until(() => tree.size === 2);
  const file = Buffer.concat([odd, Buffer.from('/file')]);
  fs.writeFileSync(file, '');
  await until(() => model.lines.length === 3);
  expect(raws).toEqual([odd, file, file]);
});

test('the root deleted: told, and closed', async () => {
  const root = join(makeFolder(), 'root');
  fs.mkdirSync(root);
  const [tree, model] = watchTree(root);
  fs.rmdirSync(root);
  await until(() => tree.closed);
  expect(model.lines).toEqual(['rootGone']);
});

test('the root moved: told, and closed', async () => {
  const root = join(makeFolder(), 'root');
  fs.mkdirSync(root);
  const tree = new InotifyTree(root);
  const kinds: string[] = [];
  tree.on('change', ({ kind }) => kinds.push(kind));
  fs.renameSync(root, `${root}-moved`);
  await until(() => tree.closed);
  expect(kinds).toEqual(['rootGone']);
});

test('a directory that may not be read is told as a blind spot', async () => {
  const root = makeFolder();
  fs.chmodSync(root, 0o755);
  fs.mkdirSync(join(root, 'secret'), { mode: 0o700 });
  fs.chmodSync(join(root, 'secret'), process.getuid?.() === 0 ? 0o700 : 0);
  const child = runTs('test/watch/programs/inotify-blind.ts', { args: [root] });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect([child.stdout, child.stderr]).toEqual(['tree: unwatched /secret EACCES\n', '']);
});

testMounting(
  'a file system that is unmounted: told of a watch, and the end of a tree',
  async () => {
    const child = runTs('test/watch/programs/inotify-blind.ts', {
      args: [makeFolder(), 'unmount'],
      command: ['unshare', '-rm'],
    });
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout.match(/^inotify: .*/gm)).toEqual(['inotify: unmount', 'inotify: ignored']);
    expect(child.stdout.match(/^tree: .*/gm)).toEqual(['tree: rootGone']);
  },
);

test('mistakes are named', () => {
  const root = makeFolder();
  fs.writeFileSync(join(root, 'file'), '');
  expect(() => new InotifyTree(join(root, 'none'))).toThrow(/ENOENT.*none"/);
  expect(() => new InotifyTree(join(root, 'file'))).toThrow(/ENOTDIR/);
  expect(() => new InotifyTree(root, { events: ['open'] as never })).toThrow(/of InotifyTree/);
  expect(() => new InotifyTree(root, { ignore: 'x' as never })).toThrow(/"ignore" of InotifyTree/);
});

const unshare = findProgram('unshare');
const limit = '/proc/sys/user/max_inotify_watches';
const mayLimit =
  unshare !== null && spawnSync(unshare, ['-r', 'sh', '-c', `echo 9 > ${limit}`]).status === 0;
testWith(mayLimit ? unshare : null, 'a user namespace with a limit of its own')(
  'no watch left: ENOSPC, with what is to be done',
  async () => {
    const root = makeFolder();
    for (let index = 0; index < 9; index += 1) fs.mkdirSync(join(root, `${index}`));
    const child = runTs('test/watch/programs/inotify-limit.ts', {
      args: [root],
      command: ['unshare', '-r', 'sh', '-c', `echo 9 > ${limit}; exec "$0" "$@"`],
    });
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toMatch(
      /^ENOSPC inotify_add_watch ENOSPC: no watch is left for ".*": raise .*max_user_watches\n$/,
    );
  },
);

test('works in a worker', async () => {
  expect(await runInWorker('inotifyTree', makeFolder())).toBe('found file');
});
