/**
 * Receiving on one socket. Bytes are handed to the connection as they come; how it ended is an outcome,
 * on which the connection acts.
 */
import * as constants from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { recv } from '../../sys/socket';
import { READ_BYTES } from './io-buffers';
import type { ConnectionSettings } from './options';

const { EAGAIN, EINTR } = errno;
const { EPOLLERR, EPOLLHUP, EPOLLPRI, EPOLLRDHUP, MSG_OOB } = constants;
/** With one of these, a short read does not prove that the socket is empty. */
const READ_ON = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

/** The urgent byte, for the time of one call. */
const urgent = new Uint8Array(1);

/**
 * `empty`: there is nothing more now, or the connection wants no more. `turn-spent`: there may be more,
 * but it is the turn of others. `end`: the peer's FIN. An error: of recv(2).
 */
export type ReadOutcome = 'empty' | 'turn-spent' | 'end' | SystemError;

/** The object that receives the bytes. */
export interface Receiver {
  readonly fd: number;
  /** `count` bytes stand at the beginning of the read buffer. Returns whether to go on. */
  onReceived(count: number): boolean;
}

/** Receive what `events`, the reported mask, has announced; at most about `readQuantumBytes`. */
export function receive(
  receiver: Receiver,
  events: number,
  { buffers, readQuantumBytes, urgentData }: ConnectionSettings<never>,
): ReadOutcome {
  const { fd } = receiver;
  let taken = 0;
  for (;;) {
    const count = recv(fd, buffers.read, READ_BYTES, 0);
    if (count > 0) {
      taken += count;
      if (!receiver.onReceived(count)) return 'empty';
      // A stream socket that gave less than was asked for is empty: see the last question in
      // epoll(7). Not so at urgent data, of which the mark stays when the byte was taken, and not if
      // a FIN or an error waits behind the bytes.
      if (count < READ_BYTES && (events & READ_ON) === 0 && !urgentData) return 'empty';
      if (taken >= readQuantumBytes) return 'turn-spent';
    } else if (count === 0) {
      return 'end';
    } else if (count === -EAGAIN) {
      return 'empty';
    } else if (count !== -EINTR) {
      return new SystemError('recv', count, { fd });
    }
    // After a signal, read again: under EPOLLET no event would follow it.
  }
}

/** The urgent byte that EPOLLPRI has announced; -1 if there is none. */
export function receiveUrgent(fd: number): number {
  return recv(fd, urgent, 1, MSG_OOB) === 1 ? (urgent[0] as number) : -1;
}
