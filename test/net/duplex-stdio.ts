/** Answers what it is told in capitals, over its own stdin and stdout; run by fd-duplex-fds.test.ts. */
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FdDuplex } from '../../src/net/fd-duplex';

const stdio = new FdDuplex({ readFd: 0, writeFd: 1 });
const upper = new Transform({
  transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()),
});
stdio.write('ready\n');
void pipeline(stdio, upper, stdio);
