/**
 * Readiness of an fd by way of Node's own loop: a `uv_poll_t` of libuv, which koffi hands out.
 *
 * koffi calls back from inside libuv and outside of what Node does round a callback: an exception
 * would be lost, and no promise and no `nextTick` would run after it. So the exception is kept, and
 * an immediate is set, behind which Node does all that, still in the same iteration of its loop.
 */
import koffi, { type node } from 'koffi';
import { checkFd } from './check';

/** Watches one fd for reading, from one `start` to the next report. */
export class UvPoll {
  readonly #handle: node.PollHandle;
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
    this.#handle = koffi.node.poll(fd, { readable: true }, this.#onPoll);
    this.#handle.stop();
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
  }
}

function noop(): void {}

function raise(error: unknown): never {
  throw error;
}
