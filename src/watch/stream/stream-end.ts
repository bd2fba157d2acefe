/**
 * The end of a stream, defined in one place, because read(2) returns 0 for other reasons too.
 *
 * | fd | the end | other reasons for 0 |
 * |---|---|---|
 * | pipe, FIFO, stream socket | 0 | none |
 * | datagram, seqpacket socket | 0 once its reading half is shut (unix datagrams: never) | an empty message |
 * | terminal, lines | 0, the user's Ctrl-D | none |
 * | terminal, raw, VMIN=0 | 0 once it has hung up | no byte is there yet: termios(3) |
 * | master of a pty | EIO, when the last slave is closed | none |
 * | other character device | 0, as of /dev/null | none |
 */
import { POLLHUP, POLLRDHUP, SO_TYPE, SOCK_STREAM, SOL_SOCKET } from '../../sys/constants';
import { errno } from '../../sys/errno';
import { PollList, poll } from '../../sys/poll';
import { ptsname } from '../../sys/pty';
import { getsockopt } from '../../sys/socket';
import { returnsAtOnce, TERMIOS_BYTES, tcgetattr } from '../../sys/termios';

const { EAGAIN, EIO } = errno;

// Shared: each call fills them before it looks.
const modes = new Uint8Array(TERMIOS_BYTES);
const type = new Int32Array(1);
const name = new Uint8Array(64);
const list = new PollList(1);

/**
 * The meaning of an `outcome` of 0 or -EIO of read(2) on `fd`: 0, the end; -EAGAIN, nothing for
 * now; 1, an empty message, so read on; or -EIO. Every other outcome is returned unchanged.
 */
export function streamOutcome(fd: number, outcome: number): number {
  if (outcome === -EIO) return ptsname(fd, name) > 0 ? 0 : outcome;
  if (outcome !== 0) return outcome;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type) >= 0) {
    return type[0] === SOCK_STREAM || hasEnded(fd) ? 0 : 1;
  }
  if (tcgetattr(fd, modes) < 0 || !returnsAtOnce(modes)) return 0;
  return hasEnded(fd) ? 0 : -EAGAIN;
}

function hasEnded(fd: number): boolean {
  list.set(0, fd, POLLRDHUP);
  poll(list.bytes, 1, 0);
  return (list.revents(0) & (POLLHUP | POLLRDHUP)) !== 0;
}
