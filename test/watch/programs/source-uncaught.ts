/**
 * Sources whose listeners throw, and a source that fails with and without a listener for that; run
 * by fd-source-end.test.ts. Prints what was heard and what was caught, in order.
 */
import { errno, unwrap } from '../../../src/sys/errno';
import { eventfd } from '../../../src/sys/io';
import { FdSource } from '../../../src/watch/fd-source';
import { EventFd } from '../../../src/watch/sources/event-fd';
import { until } from '../../support/until';

const log: string[] = [];
process.on('uncaughtException', (error) => log.push(`caught ${error.message}`));
process.on('exit', () => console.log(JSON.stringify(log)));

class Failing extends FdSource<'letter', string> {
  constructor(name: string) {
    super(unwrap(eventfd(1, 0), 'eventfd'), { event: 'letter' });
    this.on('letter', () => {});
    this.on('close', () => log.push(`close of the one ${name} a listener`));
  }

  protected override readOnce(): number {
    return -errno.EIO;
  }
}

async function main(): Promise<void> {
  const counter = new EventFd({ initial: 3, semaphore: true });
  let heard = 0;
  counter.on('count', () => {
    heard += 1;
    log.push(`heard ${heard}`);
    throw new Error(String(heard));
  });
  await until(() => log.length === 6);
  counter.close();

  const told = new Failing('with');
  told.on('error', (error) => {
    log.push(`error ${(error as NodeJS.ErrnoException).code}`);
    throw new Error('from the error listener');
  });
  await until(() => log.length === 9);
  new Failing('without');
  await until(() => log.length === 11);
}

void main();
