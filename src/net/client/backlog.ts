/**
 * The start of a connect(2), and the wait for a unix socket whose backlog is full.
 *
 * TCP tries again by itself when a server has no room. connect(2) on a non-blocking unix socket
 * returns EAGAIN, and no event reports room. So it is called again, after pauses that grow.
 *
 * The socket is watched meanwhile only to hold the process open and to see the end of the loop:
 * once, because a socket that is not connected is EPOLLHUP all the time.
 */
import { type EventHandler, isFdGone, type Registration } from '../../loop/registration';
import { type TimerOwner, WheelTimer } from '../../loop/timer-wheel';
import { EPOLLONESHOT } from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { closeOwned, disown } from '../../sys/ownership';
import { connect } from '../../sys/socket';
import { type Endpoint, encodeEndpoint, errorAt, formatEndpoint } from '../socket/endpoint';
import type { AttemptSetup, Outcome } from './attempt';

const { EAGAIN, EALREADY, EINPROGRESS, EINTR, EISCONN, ETIMEDOUT } = errno;

/** The first pause, a tick of the timer wheel; each is twice the one before. */
const FIRST_PAUSE_MS = 10;
/** The longest pause. */
const MAX_PAUSE_MS = 80;

/** `pending`: EINPROGRESS. `full`: the backlog of a unix socket is. */
export type ConnectProgress = 'connected' | 'pending' | 'full';

/** connect(2). Throws a {@link SystemError} with the server's address. Does not block. */
export function beginConnect(fd: number, remote: Endpoint, address: Uint8Array): ConnectProgress {
  let outcome = connect(fd, address);
  // Interrupted, it may have begun or not. Called again, it begins or reports its progress.
  while (outcome === -EINTR) outcome = connect(fd, address);
  if (outcome >= 0 || outcome === -EISCONN) return 'connected';
  if (outcome === -EINPROGRESS || outcome === -EALREADY) return 'pending';
  // For TCP it means that no port is left to connect from; waiting does not help.
  if (outcome === -EAGAIN && 'path' in remote) return 'full';
  throw errorAt(outcome, 'connect', remote);
}

/** The error for a full backlog without a wait. */
export function fullBacklog(remote: Endpoint): Error {
  return errorAt(EAGAIN, 'connect', remote, `the backlog of ${formatEndpoint(remote)} is full`);
}

/**
 * Wait until the unix socket `fd` is connected, for `connectTimeoutMs` at most. Then it is not
 * watched any more, and still open. If it fails, `fd` is closed.
 */
export function waitForBacklog(fd: number, setup: AttemptSetup): Promise<void> {
  return new Promise((resolve, reject) => {
    new BacklogWait(fd, setup, { resolve, reject }).start();
  });
}

class BacklogWait implements EventHandler, TimerOwner {
  readonly #fd: number;
  readonly #setup: AttemptSetup;
  readonly #outcome: Outcome;
  readonly #address: Uint8Array;
  readonly #deadline: number;
  readonly #timer = new WheelTimer(this);
  readonly #onAbort = (): void => this.#fail(this.#setup.signal?.reason);
  #pauseMs = FIRST_PAUSE_MS;
  /** Null before the start, and after the outcome was reported. */
  #registration: Registration | null = null;

  constructor(fd: number, setup: AttemptSetup, outcome: Outcome) {
    this.#fd = fd;
    this.#setup = setup;
    this.#outcome = outcome;
    this.#address = encodeEndpoint(setup.remote);
    this.#deadline = performance.now() + setup.connectTimeoutMs;
  }

  start(): void {
    const { loop, signal } = this.#setup;
    try {
      this.#registration = loop.add(this.#fd, EPOLLONESHOT, this);
    } catch (error) {
      closeOwned(this.#fd);
      throw error;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#pause();
  }

  /** For the loop: the one EPOLLHUP. */
  onEvents(): void {}

  /** For the loop. */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason)) return this.#fail(reason);
    disown(this.#fd);
    this.#leave();
    this.#outcome.reject(reason);
  }

  /** For the timer wheel. */
  onTimer(): void {
    try {
      if (beginConnect(this.#fd, this.#setup.remote, this.#address) === 'full') {
        if (performance.now() >= this.#deadline) return this.#fail(this.#timeout());
        return this.#pause();
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#leave();
    this.#outcome.resolve();
  }

  #pause(): void {
    const leftMs = Math.max(this.#deadline - performance.now(), 0);
    this.#setup.loop.timers.schedule(this.#timer, Math.min(this.#pauseMs, leftMs));
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }

  #timeout(): Error {
    const { remote, connectTimeoutMs } = this.#setup;
    const backlog = `the backlog of ${formatEndpoint(remote)}`;
    const reason = `${backlog} was full for ${connectTimeoutMs} ms (connectTimeoutMs)`;
    return errorAt(ETIMEDOUT, 'connect', remote, reason);
  }

  #fail(reason: unknown): void {
    if (this.#registration === null) return;
    this.#leave();
    this.#outcome.reject(reason);
    unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
  }

  /** Everything but reporting the outcome and closing the fd. */
  #leave(): void {
    const { loop, signal } = this.#setup;
    signal?.removeEventListener('abort', this.#onAbort);
    loop.timers.cancel(this.#timer);
    this.#registration?.remove();
    this.#registration = null;
  }
}
