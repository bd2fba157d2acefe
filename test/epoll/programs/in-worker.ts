/**
 * The calls of `sys` and `epoll` once each, in a thread that is not the main one; run by
 * in-worker.test.ts. Posts what each of them gave.
 */
import { parentPort } from 'node:worker_threads';
import { Epoll } from '../../../src/epoll/epoll';
import { pollFds, selectFds } from '../../../src/epoll/poll';
import * as sys from '../../../src/sys';

const c = sys.constants;
const pair = new Int32Array(2);
const pipe = new Int32Array(2);
const text = new Uint8Array(16);
const results: Record<string, unknown> = {};

sys.socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0, pair);
sys.pipe2(pipe, c.O_CLOEXEC | c.O_NONBLOCK);
const [left, right] = pair as unknown as [number, number];
const [reader, writer] = pipe as unknown as [number, number];
const file = sys.memfdCreate('worker', c.MFD_CLOEXEC);
sys.write(file, Buffer.from('hello worker'));

results['sendfile'] = sys.sendfile(left, file, 6, 100);
const waiting = new Int32Array(1);
results['ioctl'] = [sys.ioctl(right, c.FIONREAD, waiting), waiting[0]];
results['splice'] = sys.splice(file, 0, writer, null, 5, 0);
results['tee'] = sys.tee(reader, writer, 1, 0) === -sys.errno.EINVAL;
results['dup3'] = sys.dup3(reader, reader, 0) === -sys.errno.EINVAL;
results['lseek'] = sys.lseek(file, -2, c.SEEK_END);
const limit = { soft: 0n as bigint | number, hard: 0n as bigint | number };
results['prlimit'] = [sys.prlimit(0, c.RLIMIT_NOFILE, null, limit), limit.soft > 0];
results['poll'] = pollFds([{ fd: right, events: c.POLLIN }], { timeoutMs: 0.5 }).length;
results['select'] = selectFds({ readable: [left, right], timeoutMs: 0.5 }).readable.length;

const epoll = new Epoll();
const start = performance.now();
epoll.wait({ timeoutMs: 1.5 });
results['waited'] = performance.now() - start >= 1.5;
epoll.add(right, c.EPOLLIN, 2n ** 63n);
results['data'] = epoll.wait({ timeoutMs: 10_000, signalMask: ['SIGINT'] }).data64(0);
results['text'] = Buffer.from(text.subarray(0, sys.read(right, text))).toString();
try {
  epoll.busyPoll = { microseconds: 5, budget: 8, prefer: false };
  results['busyPoll'] = epoll.busyPoll.microseconds;
} catch (error) {
  results['busyPoll'] = (error as sys.SystemError).code;
}
epoll.close();
for (const fd of [left, right, reader, writer, file]) sys.close(fd);
parentPort?.postMessage(results);
