/**
 * termios(3): the modes of a terminal, and raw mode. Arguments are checked, results are `n >= 0` or
 * `-errno`.
 *
 * `struct termios` stays opaque: it is asked of libc, changed by libc and given back to libc.
 */
import koffi from 'koffi';
import { checkFd, checkInt, checkRoom } from './check';
import { declare, result } from './libc';

const native = {
  tcgetattr: declare('int', 'tcgetattr', ['int', 'void *']),
  tcsetattr: declare('int', 'tcsetattr', ['int', 'int', 'void *']),
  cfmakeraw: declare('void', 'cfmakeraw', ['void *']),
};

/** `struct termios`, as glibc and musl have it; the order of its fields differs between machines. */
const termios = koffi.struct({
  c_flags: koffi.array('unsigned int', 4),
  c_line: 'uint8_t',
  c_cc: koffi.array('uint8_t', 32),
  c_speeds: koffi.array('unsigned int', 2),
});

/** Bytes of `struct termios`. */
export const TERMIOS_BYTES: number = koffi.sizeof(termios);

/**
 * `int tcgetattr(int fd, struct termios *termios_p)`
 *
 * Puts the modes of the terminal into `modes`, of at least TERMIOS_BYTES. Returns 0, or -EBADF,
 * -ENOTTY. See tcgetattr(3).
 */
export function tcgetattr(fd: number, modes: Uint8Array): number {
  checkFd(fd);
  checkRoom(modes, TERMIOS_BYTES, 'modes');
  return result(native.tcgetattr(fd, modes));
}

/**
 * `int tcsetattr(int fd, int optional_actions, const struct termios *termios_p)`
 *
 * `actions` is TCSANOW, TCSADRAIN or TCSAFLUSH; the last two block until what was written is out.
 * Returns 0, or -EBADF, -EINTR, -EINVAL, -EIO, -ENOTTY. See tcsetattr(3).
 */
export function tcsetattr(fd: number, actions: number, modes: Uint8Array): number {
  checkFd(fd);
  checkInt('actions', actions);
  checkRoom(modes, TERMIOS_BYTES, 'modes');
  return result(native.tcsetattr(fd, actions, modes));
}

/**
 * `void cfmakeraw(struct termios *termios_p)`
 *
 * Changes `modes`, not the terminal: no echo, no lines, no signals, bytes as they are. Returns 0. See
 * cfmakeraw(3).
 */
export function cfmakeraw(modes: Uint8Array): number {
  checkRoom(modes, TERMIOS_BYTES, 'modes');
  native.cfmakeraw(modes);
  return 0;
}
