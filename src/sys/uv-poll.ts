/**
 * Readiness of an fd through Node's own loop: a `uv_poll_t` of libuv, offered by koffi.
 *
 * koffi calls back from inside libuv, without the steps that Node takes around a callback: an
 * exception would be lost, and no promise and no `nextTick` would run after it. So the exception is
 * kept, and an immediate is set; behind it Node does all that, still in the same iteration of its
 * loop.
 *
 * A thread that ends runs libuv once more, when JavaScript cannot be called any more, and koffi
 * aborts the process if it has to call back then. So 'exit' closes all open instances. A worker
 * that is terminated has no 'exit': use this in the main thread alone.
 */
import { checkFd } from '../base/check';
import { type LibuvPoll, watchByLibuv } from './libc';

/** The open instances; while there are any, 'exit' has a listener. */
const open = new Set<UvPoll>();

/** Watches one fd for reading, from one `start` to the next report. */
export class UvPoll {
  readonly #handle: LibuvPoll;
  readonly #onReadable: () => void;
  readonly #onPoll = (): void => {
    this.#handle.stop();
    setImmediate(noop);
    try {
      this.#onReadable();
    } catch (error) {
      process.nextTick(raise, error);
    }
  };
  #state: 'open' | 'closed' = 'open';

  /** Does not watch yet. `fd` must stay open until `close`. */
  constructor(fd: number, onReadable: () => void) {
    checkFd(fd);
    this.#onReadable = onReadable;
    this.#handle = watchByLibuv(fd, { readable: true }, this.#onPoll);
    this.#handle.stop();
    // Before other listeners: they may throw, or call process.exit(), and then no other is called.
    if (open.size === 0) process.prependListener('exit', closeAll);
    open.add(this);
  }

  /** `onReadable` is called once, when `fd` is readable or already is. */
  start(): void {
    if (this.#state === 'open') this.#handle.start({ readable: true }, this.#onPoll);
  }

  /** Whether the watching holds the process open. */
  setHeld(held: boolean): void {
    if (this.#state === 'closed') return;
    if (held) this.#handle.ref();
    else this.#handle.unref();
  }

  /** Stop for good; does not close the fd. A second call does nothing. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#handle.close();
    open.delete(this);
    if (open.size === 0) process.off('exit', closeAll);
  }
}

function closeAll(): void {
  for (const poll of open) poll.close();
}

function noop(): void {}

function raise(error: unknown): never {
  throw error;
}
