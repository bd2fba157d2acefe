/** What the directories of an InotifyTree cost, in size and depth. */
import { DirectoryTree } from '../../../src/watch/inotify/directory-tree';

/** More than a call takes arguments: `push(...children)` throws a RangeError there. */
const MANY = 200_000;

test('a directory of very many is forgotten with all of them', () => {
  const tree = new DirectoryTree(0, '/root');
  const wide = tree.add(1, tree.root, 'wide');
  for (let id = 2; id < MANY; id += 1) tree.add(id, wide, `d${id}`);
  expect(tree.remove(wide)).toHaveLength(MANY - 1);
  expect([tree.size, tree.get(MANY - 1), tree.root.children.size]).toEqual([1, undefined, 0]);
});

test('a very deep one likewise, without a stack', () => {
  const tree = new DirectoryTree(0, '/root');
  let at = tree.root;
  for (let id = 1; id < MANY; id += 1) at = tree.add(id, at, 'd');
  const first = tree.get(1);
  expect(first?.holds(at)).toBe(true);
  expect(tree.get(3)?.pathOf('x').toString()).toBe('/root/d/d/d/x');
  expect(tree.remove(first as typeof at)).toHaveLength(MANY - 1);
  expect(tree.size).toBe(1);
});
