/** A writer whose listener for the error throws; run by pipe.test.ts. Prints what follows. */
import { closeSync } from 'node:fs';
import { Pipe } from '../../../src/watch/stream/pipe';

process.on('uncaughtException', (error) => console.log('uncaught', error.message));

const pipe = new Pipe();
pipe.writer.on('error', () => {
  throw new Error('a mistake');
});
pipe.writer.on('close', () => process.nextTick(() => setImmediate(() => console.log('closed'))));
closeSync(pipe.releaseReadFd());
pipe.writer.write('x', (error) => console.log('callback', (error as NodeJS.ErrnoException).code));
