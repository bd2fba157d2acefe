/** File systems that come and go below the root of a tree, and a root that is mounted inside itself. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { IN_MOUNT_NAMESPACE, testMounting } from '../../support/mounting';

expectNoFdLeaks();

/** What the program prints about a root with the directory `sub`. */
async function records(what: string): Promise<string[]> {
  const root = makeFolder();
  fs.mkdirSync(join(root, 'sub'));
  fs.mkdirSync(join(root, 'loop'));
  fs.writeFileSync(join(root, 'sub/hidden'), '');
  const child = runTs('test/watch/programs/inotify-mounts.ts', {
    args: [root, what],
    command: IN_MOUNT_NAMESPACE,
  });
  const exit = await child.exit();
  expect({ ...exit, stderr: child.stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return child.stdout.trim().split('\n');
}

testMounting(
  'IN_UNMOUNT below the root: what was mounted is gone, what it hid is found',
  async () => {
    const [before, ...told] = await records('unmount');
    // The root, `loop`, `sub` and `inner`.
    expect(before).toBe('4 watched');
    const [gone, last] = [told.slice(0, -4), told.slice(-4)];
    expect(gone.sort()).toEqual(['delete /sub/inner found', 'delete /sub/inner/file found']);
    expect(last).toEqual([
      'create /sub/hidden found',
      // Below the place where the mount was, all goes on.
      'create /sub/last',
      'closeWrite /sub/last',
      '3 watched',
    ]);
  },
);

testMounting(
  'a bind mount of the root inside itself: it has no end, and each change is told once',
  async () => {
    expect(await records('bind')).toEqual([
      // The root and `sub`: `loop` is the root again.
      '2 watched',
      'create /through',
      'closeWrite /through',
      'create /sub/new',
      'create /last',
      'closeWrite /last',
      '3 watched',
    ]);
  },
);
