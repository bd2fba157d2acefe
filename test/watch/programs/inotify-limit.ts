/** Watches a tree that is too big for the user's limit of watches; run by inotify-tree.test.ts. */
import { InotifyTree } from '../../../src/watch/inotify/tree';

const tree = new InotifyTree(process.argv[2] as string);
tree.on('change', (record) => {
  if (record.kind !== 'unwatched') return;
  console.log(record.error.code, record.error.message);
  tree.close();
});
