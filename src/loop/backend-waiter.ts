/**
 * Waits by way of the epoll set of Node's own loop, with no thread and no callback from C.
 *
 * The loop's epoll fd is a member of libuv's set (see uv-backend.ts), and the number in its events is
 * that of the doorbell: a pipe that Node reads and nobody writes. When something is ready, Node's loop
 * comes round, finds the doorbell empty, and runs its immediates; ours, which is unref'd and therefore
 * does not keep Node's loop from sleeping, looks at the epoll fds of the loops that wait.
 *
 * So there is nothing that may not end at any time: libuv has no handle of ours, and C never calls
 * JavaScript. A worker may be terminated at any moment, and the process exit.
 */
import { Socket } from 'node:net';
import { createEventBuffer, EVENT_DATA_LOW_WORD, EVENT_MASK_WORD } from '../sys/abi';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  EPOLLONESHOT,
  O_CLOEXEC,
  O_NONBLOCK,
  POLLIN,
} from '../sys/constants';
import { epollCtl } from '../sys/epoll';
import { unwrap } from '../sys/errno';
import { pipe2 } from '../sys/fds';
import { closeOwned, own } from '../sys/ownership';
import { PollList, poll } from '../sys/poll';
import { uvBackendFd } from '../sys/uv-backend';
import type { Waiter } from './waiter';

const event = createEventBuffer(1);
const peek = new PollList(1);

/** The pipe of this thread; see the head of this file. Open while there are waiters. */
class Doorbell {
  readonly #backendFd: number;
  readonly #writeFd: number;
  readonly #socket: Socket;
  readonly #readFd: number;
  #waiters = 0;
  #held = 0;

  /** Throws EMFILE or ENFILE when there are no fds left. */
  constructor() {
    this.#backendFd = unwrap(uvBackendFd(), 'uv_backend_fd');
    const ends = new Int32Array(2);
    unwrap(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 'pipe2');
    const [readFd, writeFd] = ends as unknown as [number, number];
    this.#readFd = readFd;
    this.#writeFd = own(writeFd);
    this.#socket = new Socket({ fd: readFd, readable: true, writable: false });
    this.#socket.resume().unref();
  }

  /** `operation` of epoll_ctl(2) on libuv's set. */
  control(operation: number, epollFd: number, events: number): void {
    event[EVENT_MASK_WORD] = events;
    event[EVENT_DATA_LOW_WORD] = this.#readFd;
    unwrap(epollCtl(this.#backendFd, operation, epollFd, event), 'epoll_ctl', { fd: epollFd });
  }

  /** Out of libuv's set; of no matter if it is in it no more. */
  forget(epollFd: number): void {
    epollCtl(this.#backendFd, EPOLL_CTL_DEL, epollFd, null);
  }

  join(): void {
    this.#waiters += 1;
  }

  leave(): void {
    this.#waiters -= 1;
    if (this.#waiters > 0) return;
    doorbell = null;
    // The reading end first: it must not see a hang-up.
    this.#socket.destroy();
    closeOwned(this.#writeFd);
  }

  hold(change: 1 | -1): void {
    this.#held += change;
    if (this.#held > 0) this.#socket.ref();
    else this.#socket.unref();
  }
}

let doorbell: Doorbell | null = null;
/** Those that were armed, and perhaps are not any more; swapped with `looking` when looked at. */
let armed: BackendWaiter[] = [];
let looking: BackendWaiter[] = [];
let isScheduled = false;

/** See {@link Waiter}. */
export class BackendWaiter implements Waiter {
  readonly #doorbell: Doorbell;
  readonly #onWake: () => void;
  #epollFd: number;
  #state: 'resting' | 'armed' | 'closed' = 'resting';
  #isListed = false;
  #held = false;

  /** Throws EMFILE or ENFILE when there are no fds left; the first one of a thread needs two. */
  constructor(epollFd: number, onWake: () => void) {
    this.#epollFd = epollFd;
    this.#onWake = onWake;
    doorbell ??= new Doorbell();
    this.#doorbell = doorbell;
    this.#doorbell.join();
    try {
      this.#doorbell.control(EPOLL_CTL_ADD, epollFd, EPOLLONESHOT);
    } catch (error) {
      this.#doorbell.leave();
      throw error;
    }
  }

  arm(): void {
    if (this.#state === 'closed') return;
    this.#state = 'armed';
    this.#doorbell.control(EPOLL_CTL_MOD, this.#epollFd, EPOLLIN | EPOLLONESHOT);
    if (!this.#isListed) armed.push(this);
    this.#isListed = true;
    lookLater();
  }

  setHeld(held: boolean): void {
    if (this.#state === 'closed' || this.#held === held) return;
    this.#held = held;
    this.#doorbell.hold(held ? 1 : -1);
  }

  replace(epollFd: number): void {
    this.#doorbell.forget(this.#epollFd);
    this.#epollFd = epollFd;
    this.#doorbell.control(EPOLL_CTL_ADD, epollFd, EPOLLONESHOT);
    if (this.#state === 'armed') this.arm();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.setHeld(false);
    this.#state = 'closed';
    this.#doorbell.forget(this.#epollFd);
    this.#doorbell.leave();
  }

  /** Node's loop has come round, for whatever reason. */
  look(): void {
    this.#isListed = false;
    if (this.#state !== 'armed') return;
    peek.set(0, this.#epollFd, POLLIN);
    if (poll(peek.bytes, 1, 0) > 0) {
      this.#state = 'resting';
      this.#onWake();
    } else {
      // It may have been ready when libuv took the event, which was its one shot.
      this.arm();
    }
  }
}

function lookLater(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(lookAll).unref();
}

function lookAll(): void {
  isScheduled = false;
  const list = armed;
  armed = looking;
  looking = list;
  for (const waiter of list) waiter.look();
  list.length = 0;
}
