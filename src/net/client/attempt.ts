/**
 * A connect(2) that is under way, until the kernel, the deadline, an abort or the end of the loop
 * decides it. See EINPROGRESS in connect(2): the socket becomes writable, and SO_ERROR has the
 * outcome.
 *
 * It is a handler of its own, so a connection is never in a state before "connected", and accepted
 * connections pay nothing for it.
 */
import type { EventLoop } from '../../loop/event-loop';
import { type EventHandler, isFdGone, type Registration } from '../../loop/registration';
import { type TimerEntry, UNSCHEDULED } from '../../loop/timer-lists';
import * as constants from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { closeOwned, disown } from '../../sys/ownership';
import { getsockopt } from '../../sys/socket';
import { type Endpoint, errorAt, formatEndpoint } from '../socket/endpoint';
import { isReadyNow } from '../socket/readiness';

const { EPOLLOUT, POLLOUT, SOL_SOCKET, SO_ERROR } = constants;
const { ETIMEDOUT } = errno;

const socketError = new Int32Array(1);

/** The parameters of a {@link ConnectAttempt}. */
export interface AttemptSetup {
  readonly loop: EventLoop;
  readonly remote: Endpoint;
  /** 0 for no deadline except the kernel's. */
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Called at the end of an attempt, exactly once. */
export interface Outcome {
  resolve(): void;
  reject(reason: unknown): void;
}

/**
 * Wait until `fd`, on which connect(2) returned EINPROGRESS, is connected. Then it is not watched
 * any more, and still open. If it fails, `fd` is closed.
 */
export function finishConnect(fd: number, setup: AttemptSetup): Promise<void> {
  return new Promise((resolve, reject) => {
    new ConnectAttempt(fd, setup, { resolve, reject }).start();
  });
}

/** `ready`: not watched yet. `pending`: the kernel tries. `settled`: the outcome was reported. */
type AttemptState = 'ready' | 'pending' | 'settled';

class ConnectAttempt implements EventHandler, TimerEntry {
  timerIndex: number = UNSCHEDULED;
  readonly #fd: number;
  readonly #setup: AttemptSetup;
  readonly #outcome: Outcome;
  readonly #onAbort = (): void => this.#fail(this.#setup.signal?.reason);
  #state: AttemptState = 'ready';
  #registration: Registration | null = null;

  constructor(fd: number, setup: AttemptSetup, outcome: Outcome) {
    this.#fd = fd;
    this.#setup = setup;
    this.#outcome = outcome;
  }

  start(): void {
    const { loop, connectTimeoutMs, signal } = this.#setup;
    try {
      this.#registration = loop.add(this.#fd, EPOLLOUT, this);
    } catch (error) {
      closeOwned(this.#fd);
      throw error;
    }
    this.#state = 'pending';
    if (connectTimeoutMs > 0) loop.timers.schedule(this, connectTimeoutMs);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** For the loop: writable, or failed; SO_ERROR has the error. */
  onEvents(): void {
    const outcome = getsockopt(this.#fd, SOL_SOCKET, SO_ERROR, socketError);
    const error = outcome < 0 ? outcome : (socketError[0] as number);
    if (error !== 0) return this.#fail(errorAt(error, 'connect', this.#setup.remote));
    this.#leave();
    this.#outcome.resolve();
  }

  /** For the loop. */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason)) return this.#fail(reason);
    disown(this.#fd);
    this.#leave();
    this.#outcome.reject(reason);
  }

  /** For the timer wheel. */
  onTimer(): void {
    const { remote, connectTimeoutMs } = this.#setup;
    // Connected or refused, but this thread was too late to see it.
    if (isReadyNow(this.#fd, POLLOUT)) return this.onEvents();
    const reason = `no answer of ${formatEndpoint(remote)} for ${connectTimeoutMs} ms (connectTimeoutMs)`;
    this.#fail(errorAt(ETIMEDOUT, 'connect', remote, reason));
  }

  #fail(reason: unknown): void {
    if (this.#state === 'settled') return;
    this.#leave();
    this.#outcome.reject(reason);
    unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
  }

  /** Everything but reporting the outcome and closing the fd. */
  #leave(): void {
    const { loop, signal } = this.#setup;
    this.#state = 'settled';
    signal?.removeEventListener('abort', this.#onAbort);
    loop.timers.cancel(this);
    this.#registration?.remove();
  }
}
