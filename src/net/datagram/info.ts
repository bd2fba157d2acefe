/**
 * The source and flags of a message. One object for all messages of a socket: nothing is decoded,
 * and no string is made, before it is read.
 */
import type { SocketAddress } from '../../sys/address';
import { MSG_TRUNC } from '../../sys/constants';
import type { MessageBatch } from '../../sys/message-batch';
import type { UnixAddress } from '../../sys/unix-address';
import { decodeEndpoint } from '../socket/endpoint';

/** About the message being emitted. Valid during the call; copy what you keep. */
export class DatagramInfo {
  readonly #batch: MessageBatch;
  #index = 0;
  /** Undefined: not read yet. */
  #source: SocketAddress | UnixAddress | null | undefined;

  constructor(batch: MessageBatch) {
    this.#batch = batch;
  }

  /** The source of the message, decoded now; null if its sender has no address. */
  get source(): SocketAddress | UnixAddress | null {
    if (this.#source === undefined) this.#source = decodeEndpoint(this.#batch.address(this.#index));
    return this.#source;
  }

  /**
   * The same in the kernel's form, a view: the cheapest destination for an answer, and, copied, a
   * key for a sender. Empty if its sender has no address.
   */
  get sourceBytes(): Buffer {
    return this.#batch.address(this.#index);
  }

  /** The message was longer than `maxMessageBytes`: its end is lost. */
  get truncated(): boolean {
    return (this.#batch.flags(this.#index) & MSG_TRUNC) !== 0;
  }

  /** For the socket: be about message `index`. @internal */
  turnTo(index: number): this {
    this.#index = index;
    this.#source = undefined;
    return this;
  }
}
