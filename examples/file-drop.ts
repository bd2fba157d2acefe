/**
 * A drop folder: prints each file once it is complete.
 *
 * A file that was just created is empty: reading it then is the classic mistake. It is complete when
 * its writer closes it (IN_CLOSE_WRITE), or when it is moved in from another folder.
 *
 *   run    npx ts-node examples/file-drop.ts /tmp/drop      (or DROP_FOLDER=/tmp/drop)
 *   then   cp or mv files into the folder
 *   see    a line for each file that is complete, with its size
 *   end    Ctrl-C
 */
import { mkdirSync, statSync } from 'node:fs';
import { Inotify } from '../src';

const folder = process.argv[2] ?? process.env['DROP_FOLDER'] ?? 'drop';
mkdirSync(folder, { recursive: true });

const inotify = new Inotify();
inotify.add(folder, { events: ['closeWrite', 'movedTo'], onlyDirectory: true });
inotify.on('change', (record) => {
  if (record.kind === 'overflow') console.log('too much at once: look at the folder itself');
  else if (record.kind === 'ignored') inotify.close();
  else if (record.kind === 'closeWrite' || record.kind === 'movedTo') report(record.path);
});
console.log(`watching ${folder}`);

process.once('SIGINT', () => inotify.close());

function report(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  console.log(size === undefined ? `${path} is gone again` : `${path} is complete: ${size} bytes`);
}
