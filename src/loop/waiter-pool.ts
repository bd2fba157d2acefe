/**
 * The waiter threads of the main thread, and the loops they wait for.
 *
 * A waiter thread blocks in epoll_wait(2) on a *super* set, whose members are the epoll fds of
 * loops, each registered `EPOLLIN | EPOLLONESHOT`. To wait, a loop re-arms its member. That one
 * epoll_ctl(2) also checks whether something is ready already, so no wake-up can be lost. When the
 * thread wakes it posts the loop's number, and the loop takes its events itself.
 *
 * A thread starts when one of its loops has slept for a while. While it does not run (before, while
 * it starts, or if it cannot start), its loops wait by Node's own loop (see backend-waiter.ts).
 *
 * Life and death. koffi throws, and so aborts the process, if it is loaded into a thread that is
 * ending: the process's 'exit' waits for a thread that still loads it. A worker that is blocked in
 * C keeps Node from exiting: every super set holds an eventfd that ends the thread, and both
 * `close` of the last loop and 'exit' write it. A worker can be terminated without an 'exit', which
 * also ends its own workers: so a waiter thread is never started there.
 */
import { basename, extname, join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { outsideCallers } from '../base/context';
import { warnOfWaiter } from '../base/errors';
import { guardLoading, newLoadingWord, releaseLoading } from '../base/loading-threads';
import { runtimeFor } from '../base/script-thread';
import { Epoll } from '../epoll/epoll';
import { Waker } from '../epoll/waker';
import * as constants from '../sys/constants';
import { BackendWaiter } from './backend-waiter';
import type { Waiter } from './waiter';
import { READY, STOP, type WaiterThreadData } from './waiter-protocol';
import type { bundledScript as script } from './waiter-source';

const { EPOLLIN, EPOLLONESHOT } = constants;

/** Loops per waiter thread. A wake-up costs the thread a few microseconds, so many can share one. */
const LOOPS_PER_THREAD = 64;
/**
 * From the first sleep of a loop to the start of its thread: most short scripts never start one.
 */
const START_AFTER_MS = 200;
/** The pause after a failed start doubles up to this. */
const LONGEST_PAUSE_MS = 60_000;
/** A thread that lived this long counts as good. */
const GOOD_LIFE_MS = 1_000;
/** At most one warning about failing threads in this time, however many there are. */
const WARNING_MS = 10_000;

/** One loop at a waiter thread. */
class Member implements Waiter {
  readonly id: number;
  epollFd: number;
  armed = false;
  held = false;
  /** Waits while the thread does not run, or has no room in its set. */
  meanwhile: BackendWaiter | null = null;
  readonly #thread: WaiterThread;
  readonly #onWake: () => void;

  constructor(thread: WaiterThread, id: number, epollFd: number, onWake: () => void) {
    this.#thread = thread;
    this.id = id;
    this.epollFd = epollFd;
    this.#onWake = onWake;
  }

  arm(): void {
    this.armed = true;
    this.#thread.arm(this);
  }

  setHeld(held: boolean): void {
    this.#thread.setHeld(this, held);
  }

  replace(epollFd: number): void {
    this.#thread.replace(this, epollFd);
  }

  close(): void {
    this.armed = false;
    this.#thread.leave(this);
  }

  waitMeanwhile(): void {
    this.meanwhile = new BackendWaiter(this.epollFd, () => this.wake());
    this.meanwhile.setHeld(this.held);
    if (this.armed) this.meanwhile.arm();
  }

  wake(): void {
    if (!this.armed) return;
    this.armed = false;
    this.#onWake();
  }
}

/**
 * `idle`: there is no worker; the next sleep of a loop starts one, perhaps after a pause.
 * `starting`: the worker has not posted READY yet. `waiting`: it blocks, or is about to, and posts
 * wake-ups. `stopping`: the last loop left, and the worker is about to end.
 */
type ThreadState = 'idle' | 'starting' | 'waiting' | 'stopping';

/** A worker and the epoll set that it waits on. */
class Crew {
  readonly set: Epoll;
  readonly worker: Worker;
  readonly #stop: Waker;
  readonly #progress = newLoadingWord();

  /** Throws if there are no fds or no threads left, and leaves nothing open then. */
  constructor() {
    this.set = new Epoll({ maxEvents: 1 });
    try {
      this.#stop = new Waker();
    } catch (error) {
      this.set.close();
      throw error;
    }
    try {
      this.set.add(this.#stop.fd, EPOLLIN, { low: STOP, high: 0 });
      const data = { superFd: this.set.fd, progress: this.#progress };
      guardLoading(this.#progress, () => this.stop());
      this.worker = outsideCallers(() => startWorker(data));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ask the worker to end by itself. */
  stop(): void {
    this.#stop.wake();
  }

  /** The worker has ended. */
  close(): void {
    this.#stop.close();
    this.set.close();
    releaseLoading(this.#progress);
  }
}

/** One waiter thread and its loops; a new thread replaces one that has died. */
class WaiterThread {
  readonly #members = new Map<number, Member>();
  #state: ThreadState = 'idle';
  #crew: Crew | null = null;
  #startedAt = 0;
  #pauseMs = START_AFTER_MS;
  #pause: NodeJS.Timeout | null = null;
  #lastId = STOP;
  #held = 0;

  get worker(): Worker | null {
    return this.#crew?.worker ?? null;
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
    if (this.#state !== 'waiting' || !this.#take(member)) member.waitMeanwhile();
    this.#members.set(member.id, member);
    threads.add(this);
    return member;
  }

  arm(member: Member): void {
    if (this.#state === 'idle' && this.#pause === null) this.#startLater();
    if (member.meanwhile !== null) member.meanwhile.arm();
    else this.#set.modify(member.epollFd, EPOLLIN | EPOLLONESHOT, { low: member.id, high: 0 });
  }

  setHeld(member: Member, held: boolean): void {
    if (member.held === held) return;
    member.held = held;
    if (member.meanwhile !== null) member.meanwhile.setHeld(held);
    else this.#hold(held ? 1 : -1);
  }

  replace(member: Member, epollFd: number): void {
    const former = member.epollFd;
    member.epollFd = epollFd;
    if (member.meanwhile !== null) return member.meanwhile.replace(epollFd);
    this.#set.remove(former);
    this.#set.add(epollFd, EPOLLONESHOT, { low: member.id, high: 0 });
    if (member.armed) this.arm(member);
  }

  leave(member: Member): void {
    if (!this.#members.delete(member.id)) return;
    this.setHeld(member, false);
    if (member.meanwhile !== null) member.meanwhile.close();
    else this.#set.remove(member.epollFd);
    if (this.#members.size === 0) this.#end();
  }

  get #set(): Epoll {
    return (this.#crew as Crew).set;
  }

  /** Add `member` to the thread's set; false if the set has no room. */
  #take(member: Member): boolean {
    try {
      this.#set.add(member.epollFd, EPOLLONESHOT, { low: member.id, high: 0 });
    } catch {
      return false;
    }
    if (member.held) this.#hold(1);
    return true;
  }

  #startLater(): void {
    this.#pause = outsideCallers(() => setTimeout(() => this.#start(), this.#pauseMs).unref());
  }

  #start(): void {
    this.#pause = null;
    this.#state = 'starting';
    this.#startedAt = performance.now();
    let crew: Crew;
    try {
      crew = new Crew();
    } catch (error) {
      return this.#onFailure(error);
    }
    this.#crew = crew;
    let cause: unknown = 'it ended';
    // Before `unref`: adding a listener would hold the process open again.
    crew.worker.on('message', (id: number) => this.#onMessage(id));
    crew.worker.unref();
    crew.worker.on('error', (error) => {
      cause = error;
    });
    crew.worker.on('exit', () => {
      crew.close();
      this.#onWorkerExit(cause);
    });
  }

  #onMessage(id: number): void {
    if (id === READY) return this.#onReady();
    const member = this.#members.get(id);
    if (member?.meanwhile === null) member.wake();
  }

  #onReady(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'waiting';
    for (const member of this.#members.values()) {
      if (!this.#take(member)) continue;
      member.meanwhile?.close();
      member.meanwhile = null;
      if (member.armed) this.arm(member);
    }
  }

  #onWorkerExit(cause: unknown): void {
    this.#crew = null;
    if (this.#state === 'stopping') return;
    const wasWaiting = this.#state === 'waiting';
    this.#held = 0;
    // The next look finds the events that the worker took from its set and did not post.
    for (const member of this.#members.values()) {
      if (member.meanwhile === null) member.waitMeanwhile();
    }
    if (wasWaiting && performance.now() - this.#startedAt >= GOOD_LIFE_MS) {
      this.#pauseMs = START_AFTER_MS;
      this.#state = 'idle';
      this.#startLater();
    } else {
      this.#onFailure(cause);
    }
  }

  #onFailure(cause: unknown): void {
    this.#state = 'idle';
    this.#startLater();
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    warn(cause);
  }

  #end(): void {
    threads.delete(this);
    this.#state = 'stopping';
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#crew?.stop();
  }

  /**
   * Loops that wait at the thread hold the process open by its worker; the others by themselves.
   */
  #hold(change: 1 | -1): void {
    this.#held += change;
    if (this.#held > 0) this.worker?.ref();
    else this.worker?.unref();
  }
}

let warnedAt = -Infinity;

function warn(cause: unknown): void {
  const now = performance.now();
  if (now - warnedAt < WARNING_MS) return;
  warnedAt = now;
  warnOfWaiter(`a waiter thread cannot run, its loops wait by Node's own: ${String(cause)}`);
}

/**
 * Beside this file stands the thread's script, of the same kind: .js when built, .ts when not. In a
 * bundle it does not, and this file has another name or none: see waiter-source.ts.
 */
function startWorker(data: WaiterThreadData): Worker {
  const file = typeof __filename === 'undefined' ? '' : __filename;
  const extension = extname(file);
  const options: WorkerOptions = { name: 'epoll-ffi waiter', workerData: data, execArgv: [] };
  if (basename(file, extension) !== 'waiter-pool') return startBundled(file, options);
  const script = join(__dirname, `waiter-thread${extension}`);
  return new Worker(script, { ...options, ...runtimeFor(script) });
}

/** Loaded only here: no other program needs it. */
function startBundled(file: string, options: WorkerOptions): Worker {
  const { bundledScript } = require('./waiter-source') as { bundledScript: typeof script };
  return new Worker(bundledScript(file), { ...options, eval: true });
}

const threads = new Set<WaiterThread>();

/** The waiter threads of this process, for tests. */
export function waiterThreads(): { worker: Worker | null; state: ThreadState }[] {
  return [...threads].map(({ worker, state }) => ({ worker, state }));
}

/** Give the loop that owns `epollFd` a place at a waiter thread. Only in the main thread. */
export function joinWaiterThread(epollFd: number, onWake: () => void): Waiter {
  const thread = [...threads].find((candidate) => candidate.hasRoom) ?? new WaiterThread();
  return thread.join(epollFd, onWake);
}
