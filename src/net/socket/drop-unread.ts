/**
 * Throwing away what a peer has sent, before a close. A close(2) of a socket with unread bytes is a
 * reset, which overtakes what was written: the peer loses the answer, or the alert, that says why
 * (RFC 2525, 2.17). One that sends without end gets the reset all the same.
 */
import { recv } from '../../sys/socket';

const chunk = new Uint8Array(64 * 1024);
/** Chunks that are thrown away, at most. */
const MAX_CHUNKS = 4;

/** Read what has come on the non-blocking socket `fd`, and forget it. Errors are the close's matter. */
export function dropUnread(fd: number): void {
  for (let count = 0; count < MAX_CHUNKS; count += 1) {
    if (recv(fd, chunk, chunk.byteLength, 0) < chunk.byteLength) return;
  }
}
