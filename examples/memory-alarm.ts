/**
 * An alarm before memory runs out: the kernel reports when tasks wait too long for it (PSI).
 *
 * A machine stalls for a while before its out-of-memory killer acts. This is the moment to drop caches,
 * or to accept no more work.
 *
 *   run    npx ts-node examples/memory-alarm.ts
 *          RESOURCE=cpu STALL_MS=500 ... for another resource, another threshold in 2 s
 *   then   start something that needs more memory than there is (for cpu: a few endless loops)
 *   see    a line at most every two seconds while it lasts
 *   end    Ctrl-C
 */
import { PressureMonitor } from '../src';

const resource = process.env['RESOURCE'] ?? 'memory';
const stallMs = Number(process.env['STALL_MS'] ?? 150);

const monitor = new PressureMonitor({ resource, stallUs: stallMs * 1_000 });
monitor.on('pressure', ({ some }) => {
  console.log(`alarm: tasks waited for ${resource}, ${some?.avg10} % of the last 10 s`);
});
console.log(`watching ${resource}: ${stallMs} ms in 2 s are too much`);

process.once('SIGINT', () => monitor.close());
