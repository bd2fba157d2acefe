/**
 * An eventfd that ends a wait: add its fd to an epoll set, and call `wake` from any place.
 *
 * Any thread may call `wake` (give it the fd for {@link Waker.fromFd}), also while the waiting
 * thread is blocked. Wake-ups are not counted: many before one `drain` are one.
 */

import { checkFd } from '../base/check';
import * as constants from '../sys/constants';
import { errno, unwrap } from '../sys/errno';
import { eventfd, read, write } from '../sys/io';
import { closeOwned, own } from '../sys/ownership';

const { EAGAIN } = errno;

const { EFD_CLOEXEC, EFD_NONBLOCK } = constants;

// A native-endian u64 of 1; all machines koffi runs on are little-endian.
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const counter = new Uint8Array(8);

/** Wakes a thread that waits on an epoll set. */
export class Waker {
  #fd: number;

  /**
   * `eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)`. Throws EMFILE or ENFILE when there are no fds left.
   * The parameter is for {@link Waker.fromFd}.
   */
  constructor(fd?: number) {
    if (fd !== undefined) checkFd(fd);
    this.#fd = fd ?? own(unwrap(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd'));
  }

  /** Use another thread's waker. Only one of the two may `close` it. */
  static fromFd(fd: number): Waker {
    return new Waker(fd);
  }

  /** The eventfd, or -1 once closed. Readable (EPOLLIN) from `wake` until `drain`. */
  get fd(): number {
    return this.#fd;
  }

  /** Make the fd readable. Does not block; does nothing once closed. */
  wake(): void {
    if (this.#fd < 0) return;
    const written = write(this.#fd, ONE);
    // EAGAIN: the counter is at its limit, so the fd is readable already.
    if (written !== -EAGAIN) unwrap(written, 'write', { fd: this.#fd });
  }

  /**
   * Make the fd unreadable again. Returns whether it was readable; false once closed. Does not
   * block.
   */
  drain(): boolean {
    if (this.#fd < 0) return false;
    const bytes = read(this.#fd, counter);
    if (bytes === -EAGAIN) return false;
    unwrap(bytes, 'read', { fd: this.#fd });
    return true;
  }

  /** Close the eventfd. A second call does nothing. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    unwrap(closeOwned(fd), 'close', { fd });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
