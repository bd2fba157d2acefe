/**
 * A tree with a directory that this user may not read, or a file system that goes away; run by
 * inotify-tree.test.ts with the folder and what is to be done. Prints a line for each record.
 */
import { spawnSync } from 'node:child_process';
import { Inotify } from '../../../src/watch/inotify/inotify';
import { InotifyTree } from '../../../src/watch/inotify/tree';

const [folder = '', what] = process.argv.slice(2);

function mount(...words: string[]): void {
  const [command, ...args] = words;
  const { status, stderr } = spawnSync(command as string, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

if (what === 'unmount') mount('mount', '-t', 'tmpfs', 'none', folder);
// To root nothing is forbidden.
else if (process.getuid?.() === 0) process.setuid?.(65_534);

const tree = new InotifyTree(folder);
tree.on('change', (record) => {
  const path = 'path' in record ? record.path.slice(folder.length) : '';
  const code = record.kind === 'unwatched' ? record.error.code : '';
  console.log(`tree: ${record.kind} ${path} ${code}`.trimEnd());
  if (record.kind === 'unwatched') tree.close();
});

if (what === 'unmount') {
  const inotify = new Inotify();
  const watch = inotify.add(folder);
  inotify.on('change', ({ kind }) => {
    console.log(`inotify: ${kind}`);
    if (watch.active) return;
    inotify.close();
  });
  mount('umount', folder);
}
