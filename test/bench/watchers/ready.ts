/**
 * One fd that is always ready, beside IDLE fds that never are: how often is it told?
 * Usage: ready.ts CONTENDER IDLE WARM_UP_MS MEASURE_MS
 */
import { sys } from '../../../src';
import { contender } from './watch';

const [name = '', idle = 0, warmUpMs = 0, measureMs = 0] = process.argv
  .slice(2)
  .map((text, index) => (index === 0 ? text : Number(text))) as [string, number, number, number];
const { EFD_CLOEXEC, EFD_NONBLOCK } = sys.constants;
const open = (initial: number): number =>
  sys.unwrap(sys.eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');

let told = 0;
const fds = Array.from({ length: idle }, () => open(0));
contender(name)([...fds, open(1)], () => {
  told += 1;
});

setTimeout(() => {
  console.log('measuring');
  const start = performance.now();
  const before = told;
  setTimeout(() => {
    const rate = (told - before) / ((performance.now() - start) / 1_000);
    console.log(JSON.stringify({ rate, p50Us: 1e6 / rate, p99Us: 1e6 / rate }));
  }, measureMs);
}, warmUpMs);
