/**
 * How long from another process's write to our callback.
 * Usage: latency.ts CONTENDER GAP_US WARM_UP_MS MEASURE_MS; with gap 0 the other process writes
 * again when it was answered.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sys } from '../../../src';
import { contender } from './watch';

const [name = '', gapUs = '', warmUpMs = '', measureMs = ''] = process.argv.slice(2);
const { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } = sys.constants;

const pair = new Int32Array(2);
sys.unwrap(sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 'socketpair');
const [fd, theirs] = pair as unknown as [number, number];
sys.setNonBlocking(fd);

const sentAt = new BigUint64Array(1);
const bytes = new Uint8Array(sentAt.buffer);
let latencies: number[] = [];
let isWarming = false;

contender(name)([fd], () => {
  const now = process.hrtime.bigint();
  if (sys.read(fd, bytes) !== bytes.byteLength) return;
  // The writer takes its time to start.
  if (!isWarming) setTimeout(measure, Number(warmUpMs));
  isWarming = true;
  latencies.push(Number(now - (sentAt[0] as bigint)) / 1_000);
  if (gapUs === '0') sys.write(fd, bytes, 1);
});

// Beside this file, which runs as JavaScript.
const script = join(__dirname, 'writer.js');
const writer = spawn(process.execPath, [script, gapUs], { stdio: [theirs, theirs, 'inherit'] });

function percentile(share: number): number {
  return latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN;
}

function measure(): void {
  console.log('measuring');
  latencies = [];
  setTimeout(() => {
    writer.kill('SIGKILL');
    latencies.sort((a, b) => a - b);
    const rate = latencies.length / (Number(measureMs) / 1_000);
    console.log(JSON.stringify({ rate, p50Us: percentile(0.5), p99Us: percentile(0.99) }));
  }, Number(measureMs));
}
