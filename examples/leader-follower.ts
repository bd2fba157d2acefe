/**
 * Leader and follower: a pool of threads round one epoll set, of which one waits at a time.
 *
 * The leader waits for one event, promotes a follower to lead, works on the event, and joins the pool
 * again. Followers sleep in shared memory and not in epoll_wait(2), so an event wakes one thread; and
 * the thread that was woken is the one that works: nothing is handed over. Each socket is one-shot, so
 * the next leader is not given what this one still works on. The listener is in the set as well.
 *
 *   run    npx ts-node examples/leader-follower.ts
 *   see    each thread's turns as a leader, one leader at a time, and every line of the clients echoed;
 *          then two threads are terminated, and the others go on
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { constants, execArgvFor, Leadership, type SharedHandle, SharedSet, sys } from '../src';

const THREADS = 4;
const CLIENTS = 20;
const LINES = 50;

const { EAGAIN } = sys.errno;
const { AF_INET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
/** The first word of a record: what the fd is. */
const KIND = { listener: 1, connection: 2 };
/** Words that all threads count in: waiting now, more than one waiting; and one for each thread. */
const [WAITING, TOO_MANY, LEADS] = [0, 1, 2];

/** The `workerData` of a thread. */
interface ThreadData {
  index: number;
  setHandle: SharedHandle;
  leadershipHandle: SharedHandle;
  counters: Int32Array;
}

const kindRecord = (kind: number): Uint8Array => new Uint8Array(Int32Array.of(kind).buffer);

/** In a thread. */
function runThread({ index, setHandle, leadershipHandle, counters }: ThreadData): void {
  const set = SharedSet.open(setHandle, { maxEvents: 1 });
  const leadership = Leadership.open(leadershipHandle);
  const bytes = new Uint8Array(4096);

  const accept = (listener: number): void => {
    for (;;) {
      const fd = sys.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set.add(sys.own(fd), EPOLLIN, { record: kindRecord(KIND.connection) });
    }
  };
  /** Returns false at the end of the connection. */
  const echo = (fd: number): boolean => {
    for (;;) {
      const count = sys.read(fd, bytes);
      if (count <= 0) return count === -EAGAIN;
      sys.write(fd, bytes, count);
    }
  };
  const process = (slot: number): void => {
    const isListener = set.integers(slot)[0] === KIND.listener;
    if (isListener) accept(set.fdOf(slot));
    if (isListener || echo(set.fdOf(slot))) set.rearm(slot);
    else set.destroy(slot);
  };
  const lead = (): void => {
    if (Atomics.add(counters, WAITING, 1) > 0) Atomics.add(counters, TOO_MANY, 1);
    const ready = set.wait();
    Atomics.sub(counters, WAITING, 1);
    // Nothing came in half a second: this thread leads on.
    if (ready.length === 0) return;
    Atomics.add(counters, LEADS + index, 1);
    leadership.promote();
    process(ready.slot(0));
  };
  const turn = (): void => {
    if (leadership.join()) lead();
    if (!leadership.stopped) return void setImmediate(turn);
    leadership.close();
    set.close();
  };
  turn();
}

/** A listener of the set's own. Returns its port. */
function listen(set: SharedSet): number {
  const flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = sys.unwrap(sys.socket(AF_INET, flags, 0), 'socket');
  sys.unwrap(sys.bind(fd, sys.encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
  sys.unwrap(sys.listen(fd, 128), 'listen');
  const name = new Uint8Array(sys.ADDRESS_BYTES);
  const address = sys.decodeAddress(name.subarray(0, sys.getsockname(fd, name)));
  // It outlives the thread that holds it, where a connection is closed.
  set.add(fd, EPOLLIN, { record: kindRecord(KIND.listener), outlivesHolder: true });
  return address?.port as number;
}

/** Send lines and read each back. Returns how many came back. */
async function talk(port: number, lines: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let echoed = 0;
  for (let number = 0; number < lines; number += 1) {
    const line = `this is line ${number}\n`;
    socket.write(line);
    let got = '';
    while (got.length < line.length) got += String((await once(socket, 'data'))[0]);
    echoed += Number(got === line);
  }
  socket.end();
  socket.resume();
  await once(socket, 'close');
  return echoed;
}

async function main(): Promise<void> {
  const set = new SharedSet();
  const leadership = new Leadership();
  const counters = new Int32Array(new SharedArrayBuffer(4 * (LEADS + THREADS)));
  const port = listen(set);
  const threads = Array.from({ length: THREADS }, (_, index) => {
    const handles = { setHandle: set.share(), leadershipHandle: leadership.share() };
    const workerData: ThreadData = { index, ...handles, counters };
    return new Worker(__filename, { execArgv: execArgvFor(__filename), workerData });
  });
  const ended = threads.map((thread) => once(thread, 'exit'));
  // The table is fairer if all have loaded.
  while (set.stats().threads <= THREADS) await new Promise((done) => setTimeout(done, 10));

  const echoed = await Promise.all(Array.from({ length: CLIENTS }, () => talk(port, LINES)));
  const sum = echoed.reduce((total, count) => total + count, 0);
  console.log(`${sum} of ${CLIENTS * LINES} lines echoed`);
  for (let index = 0; index < THREADS; index += 1) {
    console.log(`thread ${index}: led ${counters[LEADS + index]} times`);
  }
  console.log(`a second thread waited beside the leader: ${counters[TOO_MANY]} times`);

  // All are idle, so three sleep and one waits: with two of them terminated, the third one leads on.
  await Promise.all(threads.slice(0, 2).map((thread) => thread.terminate()));
  console.log(`after two threads were terminated: ${await talk(port, LINES)} of ${LINES} lines`);

  leadership.stop();
  set.stop();
  await Promise.all(ended);
  leadership.close();
  set.close();
}

if (isMainThread) void main();
else runThread(workerData as ThreadData);
