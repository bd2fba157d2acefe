/** Nothing that others do below the root ends an InotifyTree, or makes it tell less than is so. */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RLIMIT_NOFILE } from '../../../src/sys/constants';
import { prlimit, type ResourceLimit } from '../../../src/sys/resource-limit';
import { InotifyTree } from '../../../src/watch/inotify/tree';
import type { TreeRecord } from '../../../src/watch/inotify/tree-record';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { until } from '../../support/until';

expectNoFdLeaks();

const NAME = 'n'.repeat(200);
const MEMORY = '/dev/shm';

/** `depth` nested directories with long names, made step by step: their path is beyond PATH_MAX. */
function makeDeep(folder: string, depth: number, name = NAME): void {
  const home = process.cwd();
  process.chdir(folder);
  try {
    for (let level = 0; level < depth; level += 1) {
      fs.mkdirSync(name);
      process.chdir(name);
    }
    fs.writeFileSync('deepest', '');
  } finally {
    process.chdir(home);
  }
}

/** Node's own rmSync fails beyond PATH_MAX. */
function removeDeep(folder: string): void {
  execFileSync('rm', ['-rf', folder]);
}

function watchTree(root: string, tellExisting = false) {
  const tree = new InotifyTree(root, { events: ['closeWrite'], tellExisting });
  const records: TreeRecord[] = [];
  const errors: Error[] = [];
  tree.on('change', (record) => records.push(record));
  tree.on('error', (error) => errors.push(error));
  const lines = (): string[] =>
    records.map((record) => {
      const short = (path: string): string => path.slice(root.length + 1);
      if (record.kind === 'overflow') return 'overflow';
      if (record.kind === 'move')
        return `move ${short(record.from.path)} > ${short(record.to.path)}`;
      return `${'found' in record && record.found ? 'found' : record.kind} ${short(record.path)}`;
    });
  return { tree, records, errors, lines };
}

describe('a path beyond PATH_MAX', () => {
  test('that appears is watched to its end, and the tree goes on', async () => {
    const root = makeFolder();
    const { tree, records, errors } = watchTree(root);
    using _ = tree;
    makeDeep(root, 30);
    await until(
      () => tree.closed || records.some((one) => 'path' in one && one.path.endsWith('/deepest')),
    );
    expect([errors, tree.closed, tree.size]).toEqual([[], false, 31]);
    removeDeep(join(root, NAME));
    await until(() => tree.size === 1);
  });

  test('is no reason for the constructor to throw', async () => {
    const root = makeFolder();
    makeDeep(root, 30);
    const { tree } = watchTree(root);
    expect(tree.size).toBe(31);
    tree.close();
    removeDeep(join(root, NAME));
  });

  test('nor are 4,000 levels', () => {
    // In memory if there is such a folder: on a disk the removing takes ten seconds.
    const root = fs.mkdtempSync(join(fs.existsSync(MEMORY) ? MEMORY : tmpdir(), 'epoll-ffi-'));
    try {
      makeDeep(root, 4_000, 'd');
      const { tree } = watchTree(root);
      expect(tree.size).toBe(4_001);
      tree.close();
    } finally {
      removeDeep(root);
    }
  });
});

test('a moment without fds: emitted as unwatched, and watched when there are fds', async () => {
  const root = makeFolder();
  const { tree, records, errors, lines } = watchTree(root);
  using _ = tree;
  fs.mkdirSync(join(root, 'first'));
  await until(() => tree.size === 2);
  const before: ResourceLimit = { soft: 0, hard: 0 };
  prlimit(0, RLIMIT_NOFILE, null, before);
  const made = join(root, 'a/b');
  fs.mkdirSync(made, { recursive: true });
  fs.writeFileSync(join(made, 'file'), '');
  prlimit(0, RLIMIT_NOFILE, { ...before, soft: 3 }, null);
  try {
    await until(() => tree.closed || records.some(({ kind }) => kind === 'unwatched'));
  } finally {
    prlimit(0, RLIMIT_NOFILE, before, null);
  }
  expect([errors, tree.closed]).toEqual([[], false]);
  expect(records.find(({ kind }) => kind === 'unwatched')).toMatchObject({
    path: join(root, 'a'),
    error: { code: 'EMFILE' },
  });
  await until(() => lines().includes('found a/b/file'));
  fs.writeFileSync(join(made, 'file'), 'x');
  await until(() => lines().at(-1) === 'closeWrite a/b/file');
  expect(tree.size).toBe(4);
});

const python = findProgram('python3');
const mayExchange =
  python !== null &&
  (() => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
    for (const name of 'ab') fs.writeFileSync(join(folder, name), '');
    const { status } = spawnSync(python, [
      join(__dirname, 'exchange.py'),
      join(folder, 'a'),
      join(folder, 'b'),
    ]);
    fs.rmSync(folder, { recursive: true });
    return status === 0;
  })();

function exchange(first: string, second: string): void {
  execFileSync(python as string, [join(__dirname, 'exchange.py'), first, second]);
}

describe('RENAME_EXCHANGE', () => {
  const testExchange = testWith(mayExchange ? python : null, 'python3 and renameat2(2)');

  testExchange('of two files: the consumer knows both', async () => {
    const root = makeFolder();
    for (const name of 'ab') fs.writeFileSync(join(root, name), '');
    const { tree, lines } = watchTree(root, true);
    using _ = tree;
    await until(() => lines().length === 2);
    exchange(join(root, 'a'), join(root, 'b'));
    await until(() => lines().length === 4);
    expect(lines().slice(2)).toEqual(['move a > b', 'found a']);
    fs.unlinkSync(join(root, 'b'));
    await until(() => lines().length === 5);
    expect(lines().at(-1)).toBe('delete b');
  });

  testExchange('of two directories in different places, with what is in them', async () => {
    const root = makeFolder();
    fs.mkdirSync(join(root, 'a/inA'), { recursive: true });
    fs.mkdirSync(join(root, 'z/b/inB'), { recursive: true });
    const { tree, lines } = watchTree(root, true);
    using _ = tree;
    await until(() => lines().length === 5);
    exchange(join(root, 'a'), join(root, 'z/b'));
    await until(() => lines().includes('found a/inB'));
    expect(lines().slice(5)).toEqual(['move a > z/b', 'found a', 'found a/inB']);
    expect(tree.size).toBe(6);
    fs.writeFileSync(join(root, 'a/inB/x'), '');
    fs.writeFileSync(join(root, 'z/b/inA/y'), '');
    await until(() => lines().at(-1) === 'closeWrite z/b/inA/y');
    expect(lines()).toContain('closeWrite a/inB/x');
  });

  testExchange('of a file and a directory, and twice', async () => {
    const root = makeFolder();
    fs.writeFileSync(join(root, 'a'), '');
    fs.mkdirSync(join(root, 'b/c'), { recursive: true });
    const { tree, lines } = watchTree(root);
    using _ = tree;
    exchange(join(root, 'a'), join(root, 'b'));
    exchange(join(root, 'a'), join(root, 'b'));
    fs.writeFileSync(join(root, 'b/c/x'), '');
    await until(() => lines().some((line) => line.endsWith(' b/c/x')));
    expect(tree.size).toBe(3);
  });
});

test('there and back over what was there is no exchange', async () => {
  const root = makeFolder();
  for (const name of 'ab') fs.writeFileSync(join(root, name), '');
  const { tree, lines } = watchTree(root);
  using _ = tree;
  fs.renameSync(join(root, 'a'), join(root, 'b'));
  fs.renameSync(join(root, 'b'), join(root, 'a'));
  await until(() => lines().length === 2);
  expect(lines()).toEqual(['move a > b', 'move b > a']);
});

describe('a path is not a place', () => {
  test('a relative root stays itself after chdir', async () => {
    const [folder, other] = [makeFolder(), makeFolder()];
    for (const one of [folder, other]) fs.mkdirSync(join(one, 'root'));
    const home = process.cwd();
    process.chdir(folder);
    try {
      const { tree, records } = watchTree('root');
      using _ = tree;
      process.chdir(other);
      fs.mkdirSync(join(other, 'root/new'));
      fs.writeFileSync(join(other, 'root/new/alien'), '');
      fs.mkdirSync(join(folder, 'root/new'));
      await until(() => tree.size === 2);
      fs.writeFileSync(join(folder, 'root/new/ours'), '');
      await until(() => records.at(-1)?.kind === 'closeWrite');
      expect(records.map((one) => ('path' in one ? one.path : one.kind))).toEqual([
        'root/new',
        'root/new/ours',
        'root/new/ours',
      ]);
    } finally {
      process.chdir(home);
    }
  });

  test('nor does it follow its path when an ancestor was renamed', async () => {
    const folder = makeFolder();
    const root = join(folder, 'home/root');
    fs.mkdirSync(root, { recursive: true });
    const { tree, lines } = watchTree(root);
    using _ = tree;
    fs.renameSync(join(folder, 'home'), join(folder, 'away'));
    fs.mkdirSync(join(root, 'new'), { recursive: true });
    fs.writeFileSync(join(root, 'new/alien'), '');
    fs.mkdirSync(join(folder, 'away/root/new'));
    await until(() => tree.size === 2);
    fs.writeFileSync(join(folder, 'away/root/new/ours'), '');
    await until(() => lines().includes('closeWrite new/ours'));
    expect(lines()).toEqual(['create new', 'create new/ours', 'closeWrite new/ours']);
    fs.rmSync(join(folder, 'away/root'), { recursive: true });
    await until(() => tree.closed);
    expect(lines()).toContain('rootGone ');
  });

  test('a directory replaced by a symbolic link leads nowhere', async () => {
    const [root, outside] = [makeFolder(), makeFolder()];
    fs.mkdirSync(join(outside, 'b/secret'), { recursive: true });
    fs.mkdirSync(join(root, 'a'));
    const { tree, lines } = watchTree(root);
    using _ = tree;
    fs.mkdirSync(join(root, 'a/b'));
    fs.renameSync(join(root, 'a'), join(root, 'was'));
    fs.symlinkSync(outside, join(root, 'a'));
    await until(() => tree.size === 3 && lines().includes('create a'));
    expect(lines().filter((line) => line.includes('secret'))).toEqual([]);
  });
});
