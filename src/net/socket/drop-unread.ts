/**
 * Throws away a peer's bytes before a close. A close(2) of a socket with unread bytes is a reset,
 * which overtakes the written bytes: the peer loses the answer, or the alert, that says why (RFC
 * 2525, 2.17). A peer that sends without end gets the reset all the same.
 */
import { recv } from '../../sys/socket';

const chunk = new Uint8Array(64 * 1024);
/** The maximum of chunks to throw away. */
const MAX_CHUNKS = 4;

/**
 * Read and forget the bytes that have arrived on the non-blocking socket `fd`. Ignores errors: the
 * close deals with them.
 */
export function dropUnread(fd: number): void {
  for (let count = 0; count < MAX_CHUNKS; count += 1) {
    if (recv(fd, chunk, chunk.byteLength, 0) < chunk.byteLength) return;
  }
}
