/** How bytes are given to a connection: the writing half of {@link StreamConnection}, as users see it. */
import type { FileRange } from '../../bytes/file-range';
import type { WriteExtra } from '../../bytes/write-arguments';
import type { WriteCallback } from '../../bytes/write-queue';

/** A longer body is not copied behind its head, but sent from where it is. */
export const COPY_LIMIT = 16 * 1024;

/** The methods that send. Wrong arguments throw before anything is sent. */
export interface WriteSide {
  /**
   * Send `data`; a string as the encoding says, UTF-8 if none is given: `write(data)`,
   * `write(data, callback)`, `write(data, encoding)` or `write(data, encoding, callback)`. Bytes that
   * must wait are kept by reference: do not change them before `callback`. Views given out for the
   * time of a call are the exception, they are copied.
   *
   * Returns false when the queue has reached `highWaterMark` (then wait for `drain`), and when the
   * connection takes nothing any more. `callback` is called once, later: with nothing when the
   * kernel has the bytes, or with the error.
   */
  write(data: string | Uint8Array, extra?: WriteExtra, callback?: WriteCallback): boolean;

  /**
   * As {@link write} with `head` before `body`, which go out together. `head` is copied, so that one
   * buffer can serve for the heads of all messages.
   */
  writePair(head: Uint8Array, body: Uint8Array, callback?: WriteCallback): boolean;

  /**
   * Send bytes `offset` to `offset + length` of the regular file `fd`, in order with the writes and
   * without a copy through JavaScript. The fd is borrowed until `callback`, which is called once,
   * later: with nothing when the kernel has the bytes, or with the error. Its position never moves.
   *
   * Returns true if the kernel has the whole range already; else false, and `drain` follows. A range
   * takes no memory, so it does not count for `highWaterMark` and `maxQueuedBytes`; for the write
   * deadline it does.
   *
   * A file that ends before the range does (it became shorter) closes the connection with the code
   * ERR_FILE_TRUNCATED, and one that cannot be read, or was closed too early, with the error of
   * sendfile(2); all by a reset, so that no peer takes a part for the whole. Throws a
   * {@link SystemError}, with nothing changed: EBADF (not open), EINVAL (not a regular file). May wait
   * for the disk, but not for the peer.
   */
  sendFile(fd: number, range: FileRange, callback?: WriteCallback): boolean;

  /** Queue all writes until the matching {@link uncork}, to send them together. Calls nest. */
  cork(): void;

  /** Undo one {@link cork}; the last one sends. */
  uncork(): void;

  /**
   * Send `data` if given, then our FIN after all that is queued. The peer may still send, and the
   * connection stays open until it ends its half too. The other arguments as of {@link write}.
   */
  end(data?: string | Uint8Array, extra?: WriteExtra, callback?: WriteCallback): void;

  /**
   * Give the socket up: nothing more is delivered or emitted, `close` neither, and the connection is closed
   * for all who ask. Returns the fd, which is open, non-blocking and the caller's from now on: to be sent to
   * another thread or process, and opened there by {@link StreamServer.adopt}. Bytes that were delivered are
   * for the caller to send along. Throws ERR_NOT_DETACHABLE, with nothing changed, while bytes wait to be
   * sent, after `end`, after the peer's end or an error, and once closed.
   */
  detach(): number;

  /**
   * @internal Send the first `length` bytes of `bytes`, memory that is {@link lend lent}, if
   * {@link ConnectedSocket.canSendNow}. Bytes that the kernel does not take are copied.
   */
  writeLent(bytes: Uint8Array, length: number, callback: WriteCallback): void;
}
