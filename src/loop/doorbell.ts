/**
 * The doorbell of a thread: it makes Node's loop turn when one of our epoll fds is ready.
 *
 * It is a pipe that Node reads and nothing writes. An epoll fd of ours is a member of libuv's own
 * set under the doorbell's number (see uv-backend.ts). So libuv takes its event for the doorbell's,
 * finds nothing to read, and goes on to the immediates.
 *
 * libuv does not promise this, so each thread tests it at first use, in two steps. First: does
 * libuv's own entry for the doorbell have its number as data? This is looked up and not tried,
 * because a wrong number could crash libuv. Second: does the loop turn when a ready eventfd rings
 * the bell? Until both succeed, and for ever if one fails, `isGood` is false, and a timer must poll
 * the loop.
 */
import { Socket } from 'node:net';
import { outsideCallers } from '../base/context';
import { warnOfWaiter } from '../base/errors';
import { createEventBuffer, EVENT_DATA_LOW_WORD, EVENT_MASK_WORD } from '../sys/abi';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLLIN,
  EPOLLONESHOT,
  O_CLOEXEC,
  O_NONBLOCK,
} from '../sys/constants';
import { epollCtl } from '../sys/epoll';
import { errno, unwrap } from '../sys/errno';
import { pipe2 } from '../sys/fds';
import { eventfd } from '../sys/io';
import { closeOwned, own } from '../sys/ownership';
import { uvBackendFd, wordOf } from '../sys/uv-backend';

/** A thread may be late for its own loop; each try waits twice as long as the one before. */
const TRIES = 5;
const FIRST_TRY_MS = 20;

/**
 * `untried`: nothing is known yet. `ringing`: the number is right, and the loop has not turned yet.
 * `good`: it works. `bad`: it does not, and no further test follows.
 */
type Trust = 'untried' | 'ringing' | 'good' | 'bad';

/** Of this thread, whose libuv never changes. */
let trust: Trust = 'untried';
let tries = 0;

const event = createEventBuffer(1);

/** See the head of this file. Open while there are waiters. */
export class Doorbell {
  readonly #backendFd = uvBackendFd();
  readonly #writeFd: number;
  readonly #socket: Socket;
  readonly #readFd: number;
  #held = 0;

  /** Throws EMFILE or ENFILE when there are no fds left. */
  constructor() {
    if (this.#backendFd < 0) giveUp('Node does not lend its loop');
    const ends = new Int32Array(2);
    unwrap(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 'pipe2');
    const [readFd, writeFd] = ends as unknown as [number, number];
    this.#readFd = readFd;
    this.#writeFd = own(writeFd);
    this.#socket = new Socket({ fd: readFd, readable: true, writable: false });
    this.#socket.resume().unref();
  }

  /** Whether Node's loop turns when a member is ready. */
  get isGood(): boolean {
    return trust === 'good';
  }

  /** `operation` of epoll_ctl(2) on libuv's set. Does nothing once the doorbell is bad. */
  control(operation: number, epollFd: number, events: number): void {
    if (trust === 'bad') return;
    event[EVENT_MASK_WORD] = events;
    event[EVENT_DATA_LOW_WORD] = this.#readFd;
    const answer = epollCtl(this.#backendFd, operation, epollFd, event);
    if (answer === -errno.EINVAL) giveUp('its loop has no epoll set');
    else unwrap(answer, 'epoll_ctl', { fd: epollFd });
  }

  /** Take `epollFd` out of libuv's set; nothing happens if it has left already. */
  forget(epollFd: number): void {
    if (this.#backendFd >= 0) epollCtl(this.#backendFd, EPOLL_CTL_DEL, epollFd, null);
  }

  /**
   * Take the next step of the test, if there is one. Returns the milliseconds within which Node's
   * loop must turn and call `onRound` for the test to succeed, or null if no test has begun.
   */
  tryOut(onRound: () => void): number | null {
    if (trust !== 'untried') return null;
    try {
      const word = wordOf(this.#backendFd, this.#readFd);
      if (word === null) return null;
      if (word === this.#readFd) return this.#ring(onRound);
      giveUp('its loop numbers its events in a new way');
    } catch {
      // No fds are left: try later.
    }
    return null;
  }

  /** Ring with a member that is ready. */
  #ring(onRound: () => void): number {
    const fd = own(unwrap(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd'));
    try {
      this.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT);
    } catch (error) {
      closeOwned(fd);
      throw error;
    }
    trust = 'ringing';
    const limitMs = FIRST_TRY_MS * 2 ** tries;
    const rungAt = performance.now();
    setImmediate(() => {
      this.forget(fd);
      closeOwned(fd);
      tries += 1;
      trust = performance.now() - rungAt < limitMs ? 'good' : 'untried';
      if (trust === 'untried' && tries === TRIES) giveUp('its loop does not turn');
      onRound();
    }).unref();
    return limitMs;
  }

  hold(change: 1 | -1): void {
    this.#held += change;
    if (this.#held > 0) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    // The reading end first: it must not see a hang-up.
    this.#socket.destroy();
    closeOwned(this.#writeFd);
  }
}

function giveUp(reason: string): void {
  if (trust === 'bad') return;
  trust = 'bad';
  const text = `loops wait by a timer here, for Node cannot be woken by them: ${reason}`;
  outsideCallers(() => warnOfWaiter(text));
}
