/** Writes the time to its standard output, again and again. Usage: writer.ts GAP_US, see latency.ts. */
import { sys } from '../../../src';

const { F_GETFL, F_SETFL, O_NONBLOCK } = sys.constants;
const gapMs = Number(process.argv[2]) / 1_000;
const never = new Int32Array(new SharedArrayBuffer(4));
const time = new BigUint64Array(1);
const bytes = new Uint8Array(time.buffer);
const answer = new Uint8Array(1);
// Whoever started us may have made it non-blocking.
sys.fcntl(0, F_SETFL, sys.fcntl(0, F_GETFL) & ~O_NONBLOCK);

for (;;) {
  if (gapMs > 0) Atomics.wait(never, 0, 0, gapMs);
  time[0] = process.hrtime.bigint();
  if (sys.write(1, bytes) < 0) break;
  if (gapMs === 0 && sys.read(0, answer) <= 0) break;
}
