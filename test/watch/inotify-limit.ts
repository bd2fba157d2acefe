/** Watches a tree that is too big for the user's limit of watches; run by inotify-tree.test.ts. */
import { InotifyTree } from '../../src/watch/inotify-tree';

try {
  new InotifyTree(process.argv[2] as string);
} catch (error) {
  const { code, message } = error as Error & { code: string };
  console.log(code, message);
}
