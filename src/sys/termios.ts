/**
 * termios(3): the modes of a terminal, and raw mode. Arguments are checked, results are `n >= 0` or
 * `-errno`.
 *
 * `struct termios` stays opaque: it is asked of libc, changed by libc and given back to libc.
 */
import { endianness } from 'node:os';
import { checkFd, checkInt, checkRoom } from '../base/check';
import { array, declare, offsetOf, result, sizeOf, struct } from './libc';

const native = {
  tcgetattr: declare('int', 'tcgetattr', ['int', 'void *']),
  tcsetattr: declare('int', 'tcsetattr', ['int', 'int', 'void *']),
  cfmakeraw: declare('void', 'cfmakeraw', ['void *']),
};

/** `struct termios`, as glibc and musl have it; the order of its fields differs between machines. */
const termios = struct({
  c_flags: array('unsigned int', 4),
  c_line: 'uint8_t',
  c_cc: array('uint8_t', 32),
  c_speeds: array('unsigned int', 2),
});

/** Bytes of `struct termios`. */
export const TERMIOS_BYTES: number = sizeOf(termios);

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

/** The bits and places that differ between machines: `<asm/termbits.h>`. */
const [ICANON, CONTROL_BYTE, VMIN] = termbits();
const LOCAL_FLAGS = 3;

function termbits(): [canonical: number, controlByte: number, vmin: number] {
  const controlByte = offsetOf(termios, 'c_cc');
  // PowerPC has c_line behind c_cc.
  if (process.arch === 'ppc64') return [0x100, controlByte - 1, 5];
  if (process.arch.startsWith('mips')) return [2, controlByte, 4];
  return [2, controlByte, 6];
}

/**
 * Whether a terminal with these `modes`, of {@link tcgetattr}, answers read(2) with 0 when nothing is
 * there: not line by line (ICANON), and VMIN is 0. See termios(3).
 */
export function returnsAtOnce(modes: Uint8Array): boolean {
  checkRoom(modes, TERMIOS_BYTES, 'modes');
  const flags = new DataView(modes.buffer, modes.byteOffset).getUint32(
    LOCAL_FLAGS * Uint32Array.BYTES_PER_ELEMENT,
    endianness() === 'LE',
  );
  return (flags & ICANON) === 0 && modes[CONTROL_BYTE + VMIN] === 0;
}
