/**
 * The quickest prototype: an EventEmitter on a fd, here standard input.
 *
 * The JavaScript loop stays free (a timer ticks beside it), and the script ends by itself when the
 * watcher is closed.
 *
 *   run    npx ts-node examples/watch-stdin.ts      (or pipe something into it)
 *   type   a line
 *   see    how many bytes were read, and a tick every second
 *   end    Ctrl-D
 */
import { sys, watch } from '../src';

const buffer = Buffer.alloc(4096);
const ticking = setInterval(() => console.log('tick'), 1000);

const watcher = watch(0, () => {
  const count = sys.unwrap(sys.read(0, buffer), 'read');
  if (count > 0) console.log(`${count} bytes: ${buffer.toString('utf8', 0, count).trimEnd()}`);
  else watcher.close();
});

watcher.on('close', () => {
  clearInterval(ticking);
  console.log('end of input');
});
