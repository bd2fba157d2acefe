/**
 * Stages: a watcher thread waits, a receive stage reads, a logic stage computes, a send stage answers.
 *
 * Readable sockets go from stage to stage through queues in shared memory; a socket's bytes are in its
 * record there. One-shot keeps a socket out of the watcher's sight until its answer is sent. Beside it
 * the same service runs on one EventLoop in one thread: is it worth it? Each server is a process of its
 * own, so that its CPU time is measured apart from the clients'.
 *
 *   run    npx ts-node examples/stages.ts        (REQUESTS=10000 and CONNECTIONS=32 are the defaults)
 *   see    how deep the queues were; then requests per second of CPU time and latencies of both. Three
 *          hops between threads cost several times what such small work does: the one loop is ahead.
 *          Stages pay where a stage blocks, or computes for long; then see `TaskScheduler`
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import {
  constants,
  EventLoop,
  execArgvFor,
  type SharedHandle,
  SharedQueue,
  SharedSet,
  sys,
  TcpServer,
} from '../src';

const REQUESTS = Number(process.env['REQUESTS'] ?? 10_000);
const CONNECTIONS = Number(process.env['CONNECTIONS'] ?? 32);
const REQUEST_BYTES = 8;
const ROUNDS = 200;
const SAMPLE_MS = 2;
/** Ends a stage, in place of a slot's number. */
const END = -1;
const STAGES = ['receive', 'logic', 'send'] as const;

const { AF_INET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** The work: both servers do it. Changes the two words of a request into those of the answer. */
function compute(words: Int32Array): void {
  let [a, b] = [words[0] as number, words[1] as number];
  for (let round = 0; round < ROUNDS; round += 1) {
    a = Math.imul(a ^ (b >>> 15), 0x2c1b3c6d);
    b = (b + a) | 0;
  }
  words[0] = a;
  words[1] = b;
}

// ---- the stages ----

/** The `workerData` of a stage. A stage takes from the queue of its name. */
interface StageData {
  stage: 'watch' | (typeof STAGES)[number];
  setHandle: SharedHandle;
  queueHandles: SharedHandle[];
}

/** Words of a record: what it is, bytes that are there, and the bytes. */
const [KIND, COUNT, WORDS] = [0, 1, 2];
const LISTENER = 1;

/** In a thread. */
function runStage({ stage, setHandle, queueHandles }: StageData): void {
  const set = SharedSet.open(setHandle, { maxEvents: 64 });
  const [toReceive, toLogic, toSend] = queueHandles.map((handle) => SharedQueue.open(handle)) as [
    SharedQueue,
    SharedQueue,
    SharedQueue,
  ];
  /** There is room for each slot of the set. */
  const pass = (slot: number, queue: SharedQueue): void => {
    set.putDown(slot);
    queue.push(slot);
  };
  const bytesOf = (slot: number): Uint8Array => set.record(slot).subarray(4 * WORDS);

  const accept = (listener: number): void => {
    for (;;) {
      const fd = sys.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set.add(sys.own(fd), EPOLLIN);
    }
  };
  const watch = (): void => {
    for (const { slot } of set.wait()) {
      if (set.integers(slot)[KIND] !== LISTENER) {
        pass(slot, toReceive);
        continue;
      }
      accept(set.fdOf(slot));
      set.rearm(slot);
    }
    if (set.stopped) set.close();
    else setImmediate(watch);
  };
  /** Read what is missing of a request; the rest of it may come later. */
  const receive = (slot: number): void => {
    const record = set.integers(slot);
    const free = bytesOf(slot).subarray(record[COUNT]);
    const count = sys.read(set.fdOf(slot), free, REQUEST_BYTES - (record[COUNT] as number));
    if (count === 0 || (count < 0 && count !== -sys.errno.EAGAIN)) return set.destroy(slot);
    record[COUNT] = (record[COUNT] as number) + Math.max(count, 0);
    if (record[COUNT] === REQUEST_BYTES) pass(slot, toLogic);
    else set.rearm(slot);
  };
  const think = (slot: number): void => {
    compute(set.integers(slot).subarray(WORDS));
    pass(slot, toSend);
  };
  const send = (slot: number): void => {
    set.integers(slot)[COUNT] = 0;
    sys.write(set.fdOf(slot), bytesOf(slot), REQUEST_BYTES);
    set.rearm(slot);
  };
  const serve = (queue: SharedQueue, work: (slot: number) => void): void => {
    for (let slot = queue.take(); slot !== END; slot = queue.take()) {
      if (slot === undefined) continue;
      set.pickUp(slot);
      work(slot);
    }
    set.close();
  };
  if (stage === 'watch') watch();
  if (stage === 'receive') serve(toReceive, receive);
  if (stage === 'logic') serve(toLogic, think);
  if (stage === 'send') serve(toSend, send);
}

/** A server: its port, and how it ends. `end` returns what it has to say. */
interface Server {
  port: number;
  end(): Promise<string>;
}

async function serveByStages(): Promise<Server> {
  const set = new SharedSet({ slots: CONNECTIONS + 1 });
  const queues = STAGES.map(() => new SharedQueue({ capacity: set.slots }));
  const flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = sys.unwrap(sys.socket(AF_INET, flags, 0), 'socket');
  sys.unwrap(sys.bind(fd, sys.encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
  sys.unwrap(sys.listen(fd, 1024), 'listen');
  const name = new Uint8Array(sys.ADDRESS_BYTES);
  const port = sys.decodeAddress(name.subarray(0, sys.getsockname(fd, name)))?.port as number;
  const record = new Uint8Array(Int32Array.of(LISTENER).buffer);
  set.add(fd, EPOLLIN, { record, outlivesHolder: true });

  const setHandle = set.share();
  const queueHandles = queues.map((queue) => queue.share());
  const threads = (['watch', ...STAGES] as const).map((stage) => {
    const workerData: StageData = { stage, setHandle, queueHandles };
    return new Worker(__filename, { execArgv: execArgvFor(__filename), workerData });
  });
  const ended = threads.map((thread) => once(thread, 'exit'));
  while (set.stats().threads <= threads.length) await new Promise((done) => setTimeout(done, 10));

  const most = STAGES.map(() => 0);
  const sampler = setInterval(() => {
    for (const [index, queue] of queues.entries()) {
      most[index] = Math.max(most[index] as number, queue.length);
    }
  }, SAMPLE_MS);
  const end = async (): Promise<string> => {
    clearInterval(sampler);
    set.stop();
    for (const queue of queues) queue.push(END);
    await Promise.all(ended);
    set.close();
    return `the deepest queues: ${STAGES.map((stage, index) => `${stage} ${most[index]}`).join(', ')}`;
  };
  return { port, end };
}

function serveByOneLoop(): Server {
  const loop = new EventLoop();
  const server = new TcpServer({ port: 0, loop });
  server.on('connection', (connection) => {
    const bytes = new Uint8Array(REQUEST_BYTES);
    const words = new Int32Array(bytes.buffer);
    let count = 0;
    connection.on('data', (chunk) => {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + REQUEST_BYTES - count);
        bytes.set(part, count);
        at += part.length;
        count += part.length;
        if (count < REQUEST_BYTES) return;
        count = 0;
        compute(words);
        connection.write(bytes);
      }
    });
  });
  const end = async (): Promise<string> => {
    server.destroy();
    loop.close();
    return '';
  };
  return { port: server.port, end };
}

/** In a process of its own: serve until the parent says "end"; answer with the CPU time. */
async function runServer(kind: string): Promise<void> {
  const server = await (kind === 'stages' ? serveByStages() : serveByOneLoop());
  const before = process.cpuUsage();
  process.send?.({ port: server.port });
  await once(process, 'message');
  const { user, system } = process.cpuUsage(before);
  process.send?.({ cpuMs: (user + system) / 1000, text: await server.end() });
  process.disconnect();
}

// ---- the clients ----

/** Send `count` requests one after another, and note how long each took. */
async function ask(port: number, count: number, latencies: number[]): Promise<void> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  for (let number = 0; number < count; number += 1) {
    const words = Int32Array.of(number, port);
    const start = performance.now();
    socket.write(Buffer.from(words.slice().buffer));
    let answer = Buffer.alloc(0);
    while (answer.length < REQUEST_BYTES) {
      answer = Buffer.concat([answer, (await once(socket, 'data'))[0] as Buffer]);
    }
    latencies.push(performance.now() - start);
    compute(words);
    if (!answer.equals(Buffer.from(words.buffer))) throw new Error(`a wrong answer to ${number}`);
  }
  socket.destroy();
}

async function measure(kind: string): Promise<void> {
  const child = fork(__filename, [kind], { execArgv: execArgvFor(__filename) });
  const exited = once(child, 'exit');
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const latencies: number[] = [];
  const each = Math.ceil(REQUESTS / CONNECTIONS);
  await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(port, each, latencies)));
  child.send('end');
  const [{ cpuMs, text }] = (await once(child, 'message')) as [{ cpuMs: number; text: string }];
  await exited;
  latencies.sort((a, b) => a - b);
  const at = (part: number): string =>
    (latencies[Math.floor(part * latencies.length)] as number).toFixed(2);
  const rate = Math.round((1000 * latencies.length) / cpuMs);
  if (text !== '') console.log(text);
  console.log(
    `${kind}: ${latencies.length} requests, ${rate} per CPU-second, ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
}

async function main(): Promise<void> {
  await measure('stages');
  await measure('one loop');
}

if (!isMainThread) runStage(workerData as StageData);
else if (process.argv[2] !== undefined) void runServer(process.argv[2]);
else void main();
