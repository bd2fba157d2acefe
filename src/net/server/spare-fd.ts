/**
 * An fd that is kept for the time when no others are left.
 *
 * With a full fd table accept(2) fails and the client waits: it is connected, as far as it knows.
 * Closing a spare fd makes room to accept the client and close it, so that it knows and may go
 * elsewhere. Another thread may take the number in between; then there is no spare until {@link
 * SpareFd.take} finds room again.
 */
import { EFD_CLOEXEC } from '../../sys/constants';
import { eventfd } from '../../sys/io';
import { closeOwned, own } from '../../sys/ownership';

/** The value while there is none. */
const NONE = -1;

/** One fd without any other use. */
export class SpareFd {
  #fd = NONE;

  /** Takes an fd if there is one. */
  constructor() {
    this.take();
  }

  /** Open a spare again, if there is room. Returns whether there is one now. */
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
