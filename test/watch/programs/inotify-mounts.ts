/**
 * A tree with mounts in it; run by inotify-mounts.test.ts in a mount namespace, with the root and what
 * is to be done. Prints how many directories are watched, a line for each record, and again how many.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InotifyTree } from '../../../src/watch/inotify/tree';

const [root = '', what] = process.argv.slice(2);
const at = (path: string): string => join(root, path);

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** After which record what is done. */
const STEPS: Record<string, () => void> =
  what === 'unmount'
    ? {
        start: () => run('umount', at('sub')),
        'create /sub/hidden found': () => writeFileSync(at('sub/last'), ''),
      }
    : {
        start: () => writeFileSync(at('loop/through'), ''),
        'closeWrite /through': () => mkdirSync(at('loop/sub/new')),
        'create /sub/new': () => writeFileSync(at('last'), ''),
      };

if (what === 'unmount') {
  run('mount', '-t', 'tmpfs', 'none', at('sub'));
  mkdirSync(at('sub/inner'));
  writeFileSync(at('sub/inner/file'), '');
} else {
  run('mount', '--bind', root, at('loop'));
}

const tree = new InotifyTree(root, { events: ['closeWrite'] });
console.log(`${tree.size} watched`);
tree.on('change', (record) => {
  const path = 'path' in record ? record.path.slice(root.length) : '';
  const line = `${record.kind} ${path}${'found' in record && record.found ? ' found' : ''}`;
  console.log(line);
  STEPS[line]?.();
  if (!line.startsWith('closeWrite') || !path.endsWith('/last')) return;
  console.log(`${tree.size} watched`);
  tree.close();
});
STEPS['start']?.();
