/**
 * What is known of a message besides its bytes. One object for all messages of a socket: nothing is
 * decoded, and no string is made, until it is asked for.
 */
import type { SocketAddress } from '../../sys/address';
import { MSG_TRUNC } from '../../sys/constants';
import type { MessageBatch } from '../../sys/message-batch';
import type { UnixAddress } from '../../sys/unix-address';
import { decodeEndpoint } from '../socket/endpoint';

/** Of the message that is being told. Valid during the call; copy what you keep. */
export class DatagramInfo {
  readonly #batch: MessageBatch;
  #index = 0;
  /** Undefined: not asked for yet. */
  #source: SocketAddress | UnixAddress | null | undefined;

  constructor(batch: MessageBatch) {
    this.#batch = batch;
  }

  /** Where the message came from, decoded now; null if its sender has no address. */
  get source(): SocketAddress | UnixAddress | null {
    if (this.#source === undefined) this.#source = decodeEndpoint(this.#batch.address(this.#index));
    return this.#source;
  }

  /**
   * The same as the kernel has it, a view: the cheapest thing to answer to, and, copied, to know a
   * sender again by. Empty if its sender has no address.
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
