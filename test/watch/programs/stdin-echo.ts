/** Watches its stdin and prints what comes; run by fd-watcher.test.ts. Ends at the end of stdin. */

import { waiterThreads } from '../../../src/loop/waiter-pool';
import { read } from '../../../src/sys/io';
import { watch } from '../../../src/watch/fd-watcher';
import { until } from '../../support/until';

const buffer = Buffer.alloc(1024);
let hasEnded = false;
const watcher = watch(0, () => {
  const count = read(0, buffer);
  if (count > 0) console.log(`got ${buffer.toString('utf8', 0, count)}`);
  else watcher.close();
  hasEnded = count <= 0;
});

// It may end before a waiter thread is wanted.
const isWaiting = (): boolean => waiterThreads().some(({ state }) => state === 'waiting');
void until(() => hasEnded || isWaiting()).then(() => {
  if (!hasEnded) console.log('waiting');
});
