/**
 * Raw mode of a terminal: each key as it is pressed, no echo, Ctrl-C is a byte. See termios(3).
 *
 * The modes belong to the terminal, not to the fd or the process: they change for all its users,
 * and only {@link RawMode.restore} sets them back. It does not hold the fd, which stays the
 * caller's.
 */
import { checkFd } from '../../base/check';
import { TCSANOW } from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { cfmakeraw, TERMIOS_BYTES, tcgetattr, tcsetattr } from '../../sys/termios';

const { EBADF, EIO } = errno;

/** Sets a terminal raw, and back: `using raw = new RawMode(0)`. */
export class RawMode {
  readonly #fd: number;
  #saved: Uint8Array | null;

  /**
   * Sets the terminal `fd` raw, for all its users, until {@link restore}; it stays raw if the
   * process ends without. Throws ENOTTY if `fd` is not a terminal, and EBADF.
   */
  constructor(fd: number) {
    checkFd(fd);
    this.#fd = fd;
    this.#saved = new Uint8Array(TERMIOS_BYTES);
    unwrap(tcgetattr(fd, this.#saved), 'tcgetattr', { fd });
    const modes = this.#saved.slice();
    cfmakeraw(modes);
    unwrap(tcsetattr(fd, TCSANOW, modes), 'tcsetattr', { fd });
  }

  /** Set the former modes. A second call does nothing, nor one for a terminal that is gone. */
  restore(): void {
    const saved = this.#saved;
    this.#saved = null;
    if (saved === null) return;
    const outcome = tcsetattr(this.#fd, TCSANOW, saved);
    if (outcome !== -EIO && outcome !== -EBADF) unwrap(outcome, 'tcsetattr', { fd: this.#fd });
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}
