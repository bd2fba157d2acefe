/** pipe2(2). Arguments are checked, results are `n >= 0` or `-errno`. */
import { constants } from 'node:fs';
import { checkInt, checkRoom } from './check';
import { declare, result } from './libc';

const native = {
  pipe2: declare('int', 'pipe2', ['void *', 'int']),
};

/** O_DIRECT, one of the few numbers that differ between machines: Node knows this one's. */
export const O_DIRECT: number = constants.O_DIRECT;

/**
 * `int pipe2(int pipefd[2], int flags)`
 *
 * Puts the reading fd and the writing fd into `pair`. `flags` may have O_CLOEXEC, O_NONBLOCK, and
 * O_DIRECT (a read takes what one write has put in). Returns 0, or -EINVAL, -EMFILE, -ENFILE. See
 * pipe2(2).
 */
export function pipe2(flags: number, pair: Int32Array): number {
  checkInt('flags', flags);
  checkRoom(pair, 2 * Int32Array.BYTES_PER_ELEMENT, 'pair');
  return result(native.pipe2(pair, flags));
}
