/** Answers what it is told in capitals, over its own stdin and stdout; run by fd-duplex-fds.test.ts. */
import { fstatSync } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';

const stdio = new FdDuplex({ readFd: 0, writeFd: 1 });
const upper = new Transform({
  transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()),
});
stdio.on('close', () => {
  // Throws if it is not open: libuv aborts when such a number becomes one of its own fds.
  for (const fd of [0, 1]) fstatSync(fd);
  console.error('closed, and 0 and 1 are open');
});
stdio.write('ready\n');
void pipeline(stdio, upper, stdio);
