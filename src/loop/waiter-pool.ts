/**
 * The waiter threads of this JavaScript thread, and the loops they wait for.
 *
 * A waiter thread blocks in epoll_wait(2) on a *super* set whose members are the epoll fds of
 * loops, each registered `EPOLLIN | EPOLLONESHOT`. To wait, a loop re-arms its member; that one
 * epoll_ctl(2) also looks whether something is ready already, so no wake-up can be lost. When the
 * thread wakes it posts the loop's number, and the loop takes its events itself.
 *
 * Life and death: a worker that is blocked in C keeps Node from exiting. So every super set holds
 * an eventfd that ends the thread; `close` of the last loop and the process's 'exit' write it.
 */
import { extname, join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { Epoll } from '../epoll/epoll';
import { Waker } from '../epoll/waker';
import * as constants from '../sys/constants';
import { outsideCallers } from './context';
import type { Waiter } from './waiter';
import { READY, STOP, type WaiterThreadData } from './waiter-protocol';

const { EPOLLIN, EPOLLONESHOT } = constants;

/** Loops per waiter thread. A wake-up costs the thread a few microseconds, so many can share one. */
const LOOPS_PER_THREAD = 64;
/** While a waiter thread starts (30 ms, or 500 ms from TypeScript), armed loops are woken so often. */
const BRIDGE_MS = 1;
/** A thread that dies sooner than this, twice in a row, is only started again after as long. */
const RETRY_MS = 1_000;

/** One loop at a waiter thread. */
class Member implements Waiter {
  readonly id: number;
  readonly onWake: () => void;
  epollFd: number;
  armed = false;
  held = false;
  readonly #thread: WaiterThread;

  constructor(thread: WaiterThread, id: number, epollFd: number, onWake: () => void) {
    this.#thread = thread;
    this.id = id;
    this.epollFd = epollFd;
    this.onWake = onWake;
  }

  arm(): void {
    this.#thread.arm(this);
  }

  setHeld(held: boolean): void {
    this.#thread.setHeld(this, held);
  }

  replace(epollFd: number): void {
    this.#thread.replace(this, epollFd);
  }

  close(): void {
    this.#thread.leave(this);
  }
}

/**
 * `starting`: the worker has not said READY, or has died and is started again; armed loops are polled
 * meanwhile. `waiting`: the worker blocks, or is about to, and posts wake-ups. `stopping`: the last
 * loop left; the fds are closed when the worker has ended.
 */
type ThreadState = 'starting' | 'waiting' | 'stopping';

/** One waiter thread with its super set. */
class WaiterThread {
  readonly #super: Epoll;
  readonly #stop: Waker;
  readonly #members = new Map<number, Member>();
  readonly #onProcessExit = (): void => this.#stop.wake();
  #state: ThreadState = 'starting';
  #worker: Worker | null = null;
  #startedAt = 0;
  #earlyDeaths = 0;
  #retry: NodeJS.Timeout | null = null;
  #lastId = STOP;
  #held = 0;
  #bridge: NodeJS.Timeout | null = null;

  constructor() {
    this.#super = new Epoll({ maxEvents: 1 });
    try {
      this.#stop = new Waker();
    } catch (error) {
      this.#super.close();
      throw error;
    }
    this.#super.add(this.#stop.fd, EPOLLIN, { low: STOP, high: 0 });
    process.on('exit', this.#onProcessExit);
    this.#start();
  }

  get worker(): Worker | null {
    return this.#worker;
  }

  get state(): ThreadState {
    return this.#state;
  }

  get hasRoom(): boolean {
    return this.#members.size < LOOPS_PER_THREAD;
  }

  join(epollFd: number, onWake: () => void): Waiter {
    this.#lastId += 1;
    const member = new Member(this, this.#lastId, epollFd, onWake);
    try {
      this.#super.add(epollFd, EPOLLONESHOT, { low: member.id, high: 0 });
    } catch (error) {
      if (this.#members.size === 0) this.#end();
      throw error;
    }
    this.#members.set(member.id, member);
    return member;
  }

  arm(member: Member): void {
    member.armed = true;
    this.#super.modify(member.epollFd, EPOLLIN | EPOLLONESHOT, { low: member.id, high: 0 });
  }

  setHeld(member: Member, held: boolean): void {
    if (member.held === held) return;
    member.held = held;
    this.#held += held ? 1 : -1;
    this.#applyHeld();
  }

  replace(member: Member, epollFd: number): void {
    this.#super.remove(member.epollFd);
    member.epollFd = epollFd;
    this.#super.add(epollFd, EPOLLONESHOT, { low: member.id, high: 0 });
    if (member.armed) this.arm(member);
  }

  leave(member: Member): void {
    if (!this.#members.delete(member.id)) return;
    this.setHeld(member, false);
    this.#super.remove(member.epollFd);
    if (this.#members.size === 0) this.#end();
  }

  #start(): void {
    this.#state = 'starting';
    this.#startedAt = performance.now();
    this.#bridge ??= outsideCallers(() => setInterval(() => this.#wakeArmed(), BRIDGE_MS));
    try {
      this.#worker = outsideCallers(() => startWorker({ superFd: this.#super.fd }));
    } catch (error) {
      return this.#onWorkerExit(error);
    }
    let cause: unknown = 'it ended';
    this.#worker.on('message', (id: number) => this.#onMessage(id));
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', () => this.#onWorkerExit(cause));
    this.#applyHeld();
  }

  #onMessage(id: number): void {
    if (id === READY) return this.#onReady();
    const member = this.#members.get(id);
    if (member !== undefined) wake(member);
  }

  #onReady(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'waiting';
    this.#endBridge();
    // What a former worker had taken from the super set and not yet posted is asked for again.
    for (const member of this.#members.values()) {
      if (member.armed) this.arm(member);
    }
  }

  #onWorkerExit(cause: unknown): void {
    this.#worker = null;
    if (this.#state === 'stopping') {
      this.#stop.close();
      this.#super.close();
      return;
    }
    if (performance.now() - this.#startedAt >= RETRY_MS) this.#earlyDeaths = 0;
    this.#earlyDeaths += 1;
    if (this.#earlyDeaths === 1) return this.#start();
    process.emitWarning(`a waiter thread cannot run, its loops poll meanwhile: ${String(cause)}`, {
      code: 'EPOLL_FFI_WAITER',
    });
    this.#retry = outsideCallers(() => setTimeout(() => this.#start(), RETRY_MS).unref());
  }

  /** While no thread waits: let the loops look for themselves. */
  #wakeArmed(): void {
    for (const member of [...this.#members.values()]) wake(member);
  }

  #end(): void {
    threads.delete(this);
    process.off('exit', this.#onProcessExit);
    this.#state = 'stopping';
    this.#endBridge();
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#stop.wake();
    if (this.#worker === null) this.#onWorkerExit(undefined);
    else this.#worker.unref();
  }

  #applyHeld(): void {
    const action = this.#held > 0 ? 'ref' : 'unref';
    this.#worker?.[action]();
    this.#bridge?.[action]();
  }

  #endBridge(): void {
    if (this.#bridge !== null) clearInterval(this.#bridge);
    this.#bridge = null;
  }
}

function wake(member: Member): void {
  if (!member.armed) return;
  member.armed = false;
  member.onWake();
}

/** Beside this file stands the thread's script, of the same kind: .js when built, .ts when not. */
function startWorker(data: WaiterThreadData): Worker {
  const extension = extname(__filename);
  const script = join(__dirname, `waiter-thread${extension}`);
  const options: WorkerOptions = { name: 'epoll-ffi waiter', workerData: data, execArgv: [] };
  if (extension === '.ts') {
    // What this process was started with to run TypeScript, if it was (`node --import tsx`).
    const isTaught = process.execArgv.some((word) =>
      /^(-r|--require|--import|--loader)/.test(word),
    );
    options.execArgv = isTaught ? process.execArgv : ['-r', 'ts-node/register/transpile-only'];
    options.env = { ...process.env, TS_NODE_PROJECT: join(__dirname, '../../tsconfig.json') };
  }
  return new Worker(script, options);
}

const threads = new Set<WaiterThread>();

/** The waiter threads of this JavaScript thread. For the tests, which watch them and end them. */
export function waiterThreads(): { worker: Worker | null; state: ThreadState }[] {
  return [...threads].map(({ worker, state }) => ({ worker, state }));
}

/** A place at a waiter thread for the loop that owns `epollFd`. */
export function joinWaiterThread(epollFd: number, onWake: () => void): Waiter {
  let thread = [...threads].find((candidate) => candidate.hasRoom);
  if (thread === undefined) {
    thread = new WaiterThread();
    threads.add(thread);
  }
  return thread.join(epollFd, onWake);
}
