/**
 * Messages for sendmsg(2), recvmsg(2) and their batches, with all the memory they need.
 *
 * A batch is made once and used for many calls: receiving into it allocates nothing, and views show
 * the received messages until the next call. All messages have the same room for payload and for
 * control messages; an address always fits. A received message can be sent unchanged, and then goes
 * back to its sender.
 */

import {
  bytesOf,
  checkBytes,
  checkInteger,
  checkWhole,
  invalidType,
  outOfRange,
} from '../base/check';
import { ADDRESS_BYTES } from './address';
import { appendControl, type ControlMessage, parseControl } from './control-message';
import { MessageMemory } from './message-memory';

/** The most messages of one call: UIO_MAXIOV, to which sendmmsg(2) cuts. */
export const MAX_MESSAGES = 1024;
/** The most payload of one message, 16 MiB: far more than any datagram. */
const MAX_BYTES_PER_MESSAGE = 0x100_0000;
/** The most control bytes of one message; the kernel's own limit is /proc/sys/net/core/optmem_max. */
const MAX_CONTROL_BYTES = 0x1_0000;
/** The most payload of a batch, 1 GiB. */
const MAX_BATCH_BYTES = 0x4000_0000;

/** Options of {@link MessageBatch}. */
export interface MessageBatchOptions {
  /** Messages, 1 to 1,024; 1 if not given. */
  count?: number;
  /** Room for the payload of each, up to 16 MiB. A longer payload is cut, see MSG_TRUNC. */
  bytesPerMessage: number;
  /** Room for the control messages of each; 0 if not given. See {@link controlSpace}. */
  controlBytes?: number;
}

let memoryIn: (batch: unknown) => MessageMemory;

/** A fixed number of messages. */
export class MessageBatch {
  readonly #memory: MessageMemory;

  static {
    memoryIn = (batch) => {
      const isBatch = typeof batch === 'object' && batch !== null && #memory in batch;
      if (!isBatch) throw invalidType('batch', 'a MessageBatch', batch);
      return batch.#memory;
    };
  }

  /** Throws a TypeError or RangeError for a wrong size. */
  constructor(options: MessageBatchOptions) {
    if (typeof options !== 'object' || options === null) {
      throw invalidType('options', 'an object', options);
    }
    const { count = 1, bytesPerMessage, controlBytes = 0 } = options;
    checkInteger('count', count, 1, MAX_MESSAGES);
    checkInteger('bytesPerMessage', bytesPerMessage, 1, MAX_BYTES_PER_MESSAGE);
    checkInteger('controlBytes', controlBytes, 0, MAX_CONTROL_BYTES);
    if (count * bytesPerMessage > MAX_BATCH_BYTES) {
      const range = `at most ${MAX_BATCH_BYTES} for all messages together`;
      throw outOfRange('bytesPerMessage', range, bytesPerMessage);
    }
    this.#memory = new MessageMemory({ count, bytesPerMessage, controlBytes });
  }

  get count(): number {
    return this.#memory.count;
  }

  get bytesPerMessage(): number {
    return this.#memory.bytesPerMessage;
  }

  get controlBytes(): number {
    return this.#memory.controlBytes;
  }

  /** Bytes received, or taken by the kernel. With MSG_TRUNC it may be more than the room. */
  length(index: number): number {
    this.#check(index);
    return this.#memory.length(index);
  }

  /** The flags of recvmsg(2) for the message: MSG_TRUNC, MSG_CTRUNC, MSG_EOR and so on. */
  flags(index: number): number {
    this.#check(index);
    return this.#memory.flags(index);
  }

  /** The received payload: a view, valid until the batch is used again. */
  received(index: number): Buffer {
    this.#check(index);
    const length = Math.min(this.#memory.length(index), this.#memory.bytesPerMessage);
    return Buffer.from(this.#memory.data, this.#memory.payloadByte(index), length);
  }

  /** The whole room of the payload, to fill and send: see {@link setLength}. */
  room(index: number): Buffer {
    this.#check(index);
    const { data, bytesPerMessage } = this.#memory;
    return Buffer.from(data, this.#memory.payloadByte(index), bytesPerMessage);
  }

  /**
   * The sender of a message, or its destination: a view of the `struct sockaddr`, valid until the
   * batch is used again. Empty if there is no address.
   */
  address(index: number): Buffer {
    this.#check(index);
    const length = this.#memory.nameLength(index);
    return Buffer.from(this.#memory.data, this.#memory.nameByte(index), length);
  }

  /** The received control messages, with copies of their data. */
  control(index: number): ControlMessage[] {
    this.#check(index);
    return parseControl(this.#controlRoom(index, this.#memory.controlLength(index)));
  }

  /**
   * Set message `index` for sending: a copy of `bytes`, to `address` (from `encodeAddress`), or to
   * none on a connected socket. Removes its control messages. Throws a RangeError if there is no
   * room for either.
   */
  set(index: number, bytes: Uint8Array, address: Uint8Array | null = null): void {
    this.#check(index);
    const { bytesPerMessage, data } = this.#memory;
    checkBytes(bytes, 0, 'bytes');
    const length = checkWhole(bytes, 'bytes');
    if (length > bytesPerMessage) {
      throw outOfRange('bytes.byteLength', `<= ${bytesPerMessage}`, length);
    }
    this.setAddress(index, address);
    new Uint8Array(data, this.#memory.payloadByte(index), length).set(bytesOf(bytes));
    this.#memory.setPayloadLength(index, length);
    this.clearControl(index);
  }

  /** Send `length` bytes of {@link room}. */
  setLength(index: number, length: number): void {
    this.#check(index);
    checkInteger('length', length, 0, this.#memory.bytesPerMessage);
    this.#memory.setPayloadLength(index, length);
  }

  /** Send to `address`; null on a connected socket. */
  setAddress(index: number, address: Uint8Array | null): void {
    this.#check(index);
    if (address === null) return this.#memory.setNameLength(index, 0);
    checkBytes(address, 0, 'address');
    const length = checkWhole(address, 'address');
    if (length > ADDRESS_BYTES) {
      throw outOfRange('address.byteLength', `<= ${ADDRESS_BYTES}`, length);
    }
    new Uint8Array(this.#memory.data, this.#memory.nameByte(index), length).set(bytesOf(address));
    this.#memory.setNameLength(index, length);
  }

  /** Send a control message too. Throws a RangeError if there is no room for it. */
  addControl(index: number, message: ControlMessage): void {
    this.#check(index);
    if (typeof message !== 'object' || message === null) {
      throw invalidType('message', 'an object', message);
    }
    const room = this.#controlRoom(index, this.#memory.controlBytes);
    const used = this.#memory.controlLength(index);
    this.#memory.setControlLength(index, appendControl(room, used, message));
  }

  /** Send no control messages. */
  clearControl(index: number): void {
    this.#check(index);
    this.#memory.setControlLength(index, 0);
  }

  #check(index: number): void {
    checkInteger('index', index, 0, this.#memory.count - 1);
    this.#memory.assertIntact();
  }

  #controlRoom(index: number, length: number): Buffer {
    return Buffer.from(this.#memory.data, this.#memory.controlByte(index), length);
  }
}

/** The memory of a genuine batch, intact; only for the calls. */
export function memoryOf(batch: unknown): MessageMemory {
  const memory = memoryIn(batch);
  memory.assertIntact();
  return memory;
}
