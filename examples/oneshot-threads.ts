/**
 * EPOLLONESHOT: four threads wait on one epoll set, and each socket is in one thread's hands at a time.
 *
 * Clients send numbered messages, some of which take a thread longer than others. Without ONESHOT more
 * data on a socket wakes a second thread while the first one still works on what it read: both are in
 * one socket, and the answers come back mixed. With ONESHOT the kernel reports a socket to one thread,
 * and to no other until that thread re-arms it.
 *
 *   run    npx ts-node examples/oneshot-threads.ts
 *   see    without ONESHOT: often two threads in one socket, and answers out of order;
 *          with ONESHOT: neither, once
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { constants, execArgvFor, type SharedHandle, SharedSet, sys, watch } from '../src';

const THREADS = 4;
const SOCKETS = 3;
const MESSAGES = 100;
const MESSAGE_BYTES = 4;
const SLOW_MS = 2;

const { AF_UNIX, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** The `workerData` of a thread. `together`: how often a thread met another one in a socket. */
interface ThreadData {
  handle: SharedHandle;
  together: Int32Array;
}

/** The first word of a socket's record in shared memory: threads that are in it. */
const INSIDE = 0;

/** In a thread: wait, serve what is ready, go back to Node's loop. */
function runThread({ handle, together }: ThreadData): void {
  const set = SharedSet.open(handle, { maxEvents: 1 });
  const message = new Int32Array(1);
  const bytes = new Uint8Array(message.buffer);
  const serve = (slot: number): void => {
    const record = set.integers(slot);
    const fd = set.fdOf(slot);
    if (Atomics.add(record, INSIDE, 1) > 0) Atomics.add(together, 0, 1);
    while (sys.read(fd, bytes) === MESSAGE_BYTES) {
      // Every second message is slow work. `message` stays what this thread read.
      if ((message[0] as number) % 2 === 0) work(SLOW_MS);
      sys.write(fd, bytes);
    }
    Atomics.sub(record, INSIDE, 1);
    if (set.oneshot) set.rearm(slot);
  };
  const turn = (): void => {
    for (const { slot } of set.wait()) serve(slot);
    if (set.stopped) set.close();
    else setImmediate(turn);
  };
  turn();
}

function work(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** All messages through all sockets. Returns how many answers came out of order. */
async function talk(peers: readonly number[]): Promise<number> {
  let mixed = 0;
  const numbers = Buffer.from(Int32Array.from({ length: MESSAGES }, (_, number) => number).buffer);
  const all = peers.map(
    (peer) =>
      new Promise<void>((done) => {
        const answer = new Int32Array(1);
        let count = 0;
        let highest = -1;
        const watcher = watch(peer, () => {
          while (sys.read(peer, new Uint8Array(answer.buffer)) === MESSAGE_BYTES) {
            const number = answer[0] as number;
            if (number < highest) mixed += 1;
            highest = Math.max(highest, number);
            count += 1;
          }
          if (count < MESSAGES) return;
          watcher.close();
          done();
        });
        sys.write(peer, numbers);
      }),
  );
  await Promise.all(all);
  return mixed;
}

async function measure(oneshot: boolean): Promise<void> {
  const set = new SharedSet({ oneshot, slots: SOCKETS });
  const together = new Int32Array(new SharedArrayBuffer(4));
  const peers: number[] = [];
  for (let index = 0; index < SOCKETS; index += 1) {
    const pair = new Int32Array(2);
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    sys.unwrap(sys.socketpair(AF_UNIX, type, 0, pair), 'socketpair');
    peers.push(pair[0] as number);
    set.add(pair[1] as number, EPOLLIN);
  }
  const threads = Array.from({ length: THREADS }, () => {
    const workerData: ThreadData = { handle: set.share(), together };
    return new Worker(__filename, { execArgv: execArgvFor(__filename), workerData });
  });
  const ended = threads.map((thread) => new Promise((done) => thread.once('exit', done)));
  // Until each has opened the set, beside this one.
  while (set.stats().threads <= THREADS) await new Promise((done) => setTimeout(done, 10));
  const mixed = await talk(peers);
  set.stop();
  await Promise.all(ended);
  set.close();
  for (const peer of peers) sys.close(peer);
  console.log(
    `${oneshot ? 'with' : 'without'} ONESHOT: ${SOCKETS * MESSAGES} messages, ` +
      `two threads in one socket ${together[0]} times, ${mixed} answers out of order`,
  );
}

async function main(): Promise<void> {
  await measure(false);
  await measure(true);
}

if (isMainThread) void main();
else runThread(workerData as ThreadData);
