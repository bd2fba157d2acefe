/** Streams that are unrefed, and nothing else to do: this ends. Run by fd-duplex-fds.test.ts. */
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { pipe2 } from '../../../src/sys/fds';

const fds = new Int32Array(2);
pipe2(fds, 0);
const reading = new FdDuplex(fds[0] as number).unref();
const writing = new FdDuplex(fds[1] as number).unref();
reading.on('data', () => {
  console.log('done');
  // Waits for ever: nobody reads any more.
  reading.pause();
  writing.write(Buffer.alloc(1_000_000));
});
writing.write('x');
// Holds the process until the byte is there, and then no more.
const timer = setInterval(() => {
  if (reading.bytesRead > 0) clearInterval(timer);
}, 1);
