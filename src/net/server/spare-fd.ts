/**
 * An fd that is kept for the day when there are no others.
 *
 * With a full fd table accept(2) fails and the client goes on waiting: it is connected, as far as it
 * knows. Whoever gives up a spare fd can take the connection and close it, so that the client learns
 * of it and may go elsewhere. Another thread may take the number in between; then there is no spare
 * until {@link SpareFd.take} finds room again.
 */
import { EFD_CLOEXEC } from '../../sys/constants';
import { eventfd } from '../../sys/io';
import { closeOwned, own } from '../../sys/ownership';

/** What is kept while there is none. */
const NONE = -1;

/** One fd that nobody uses. */
export class SpareFd {
  #fd = NONE;

  /** Takes an fd if there is one. */
  constructor() {
    this.take();
  }

  /** Have an fd again, if there is room for one. Returns whether it has one now. */
  take(): boolean {
    if (this.#fd !== NONE) return true;
    const fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) this.#fd = own(fd);
    return fd >= 0;
  }

  /** Make room for one other fd. False if there was no spare to give. */
  give(): boolean {
    if (this.#fd === NONE) return false;
    closeOwned(this.#fd);
    this.#fd = NONE;
    return true;
  }
}
