/**
 * The memory of a batch of messages, and the only place that writes pointers into memory.
 *
 * Two ArrayBuffers, made once and of fixed size. V8 keeps the bytes of an ArrayBuffer outside its
 * heap, and they neither move nor go while the ArrayBuffer is held. So their addresses are computed
 * once, here, by the object that holds both. `records` contains the headers and iovecs that C
 * follows. It is never handed out, so no other code can change a pointer or a length, or take it
 * away. `data` contains their targets: payloads, addresses, control messages. Views of it are
 * handed out, so other code could take it away (a transfer to another thread), and every call
 * checks it first.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { checkWhole, outOfRange } from '../base/check';
import { ADDRESS_BYTES } from './address';
import { addressOf, alignControl, IOVEC, MMSGHDR, POINTER_BYTES } from './message-abi';

/** The sizes of the memory. */
export interface MessageMemorySize {
  count: number;
  bytesPerMessage: number;
  controlBytes: number;
}

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
const HEADER_WORDS = MMSGHDR.bytes / WORD_BYTES;
const NAME_LENGTH_WORD = MMSGHDR.nameLength / WORD_BYTES;
// The low half of a size_t is enough: no length here comes near 2**32.
const CONTROL_LENGTH_WORD = MMSGHDR.controlLength / WORD_BYTES;
const FLAGS_WORD = MMSGHDR.flags / WORD_BYTES;
const LENGTH_WORD = MMSGHDR.length / WORD_BYTES;
const IOVEC_WORDS = IOVEC.bytes / WORD_BYTES;
const IOVEC_LENGTH_WORD = IOVEC.length / WORD_BYTES;

/** `count` headers of type `struct mmsghdr`, each with one iovec, an address and control bytes. */
export class MessageMemory {
  readonly count: number;
  readonly bytesPerMessage: number;
  readonly controlBytes: number;
  /** Payloads, then addresses, then control messages. */
  readonly data: ArrayBuffer;
  /** Shows whether `data` is still there; a private view of its own. */
  readonly #dataView: Uint8Array;
  readonly #records: ArrayBuffer;
  readonly #headers: Uint8Array;
  readonly #words: Uint32Array;
  readonly #iovecsWord: number;
  readonly #namesByte: number;
  readonly #controlsByte: number;
  readonly #controlStride: number;

  /** The sizes must be checked already. */
  constructor({ count, bytesPerMessage, controlBytes }: MessageMemorySize) {
    this.count = count;
    this.bytesPerMessage = bytesPerMessage;
    this.controlBytes = controlBytes;
    this.#controlStride = alignControl(controlBytes);
    this.#namesByte = alignControl(count * bytesPerMessage);
    this.#controlsByte = this.#namesByte + count * ADDRESS_BYTES;
    this.data = new ArrayBuffer(this.#controlsByte + count * this.#controlStride);
    markAsUntransferable(this.data);
    this.#dataView = new Uint8Array(this.data);
    this.#iovecsWord = count * HEADER_WORDS;
    this.#records = new ArrayBuffer(count * (MMSGHDR.bytes + IOVEC.bytes));
    this.#headers = new Uint8Array(this.#records);
    this.#words = new Uint32Array(this.#records);
    this.#link();
  }

  /** The headers from `first` on, for C: `struct mmsghdr *`, or `struct msghdr *`. */
  headers(first: number): Uint8Array {
    return first === 0 ? this.#headers : this.#headers.subarray(first * MMSGHDR.bytes);
  }

  /** Throws a RangeError if `data` was taken away: C must not write there. */
  assertIntact(): void {
    const length = checkWhole(this.#dataView, 'batch');
    if (length > 0) return;
    throw outOfRange('batch.byteLength', 'that of memory that was not transferred away', length);
  }

  /** The byte in `data` where the payload of a message begins. */
  payloadByte(index: number): number {
    return index * this.bytesPerMessage;
  }

  /** The byte in `data` where the address of a message begins. */
  nameByte(index: number): number {
    return this.#namesByte + index * ADDRESS_BYTES;
  }

  /** The byte in `data` where the control messages of a message begin. */
  controlByte(index: number): number {
    return this.#controlsByte + index * this.#controlStride;
  }

  /** `msg_len`: bytes received or sent. */
  length(index: number): number {
    return this.#words[index * HEADER_WORDS + LENGTH_WORD] as number;
  }

  setLength(index: number, length: number): void {
    this.#words[index * HEADER_WORDS + LENGTH_WORD] = length;
  }

  /** `msg_flags` as the kernel left them. */
  flags(index: number): number {
    return this.#words[index * HEADER_WORDS + FLAGS_WORD] as number;
  }

  /** `msg_namelen`; the kernel may report more than the room. */
  nameLength(index: number): number {
    return Math.min(this.#words[index * HEADER_WORDS + NAME_LENGTH_WORD] as number, ADDRESS_BYTES);
  }

  /** At most {@link ADDRESS_BYTES}. */
  setNameLength(index: number, length: number): void {
    this.#words[index * HEADER_WORDS + NAME_LENGTH_WORD] = Math.min(length, ADDRESS_BYTES);
  }

  /** `msg_controllen` */
  controlLength(index: number): number {
    const length = this.#words[index * HEADER_WORDS + CONTROL_LENGTH_WORD] as number;
    return Math.min(length, this.controlBytes);
  }

  /** At most `controlBytes`. */
  setControlLength(index: number, length: number): void {
    this.#words[index * HEADER_WORDS + CONTROL_LENGTH_WORD] = Math.min(length, this.controlBytes);
  }

  /** `iov_len`: bytes to send, or the room to receive into; at most `bytesPerMessage`. */
  setPayloadLength(index: number, length: number): void {
    const word = this.#iovecsWord + index * IOVEC_WORDS + IOVEC_LENGTH_WORD;
    this.#words[word] = Math.min(length, this.bytesPerMessage);
  }

  /** Give the kernel the whole room: it overwrites the lengths of a message that it receives. */
  openForReceiving(first: number, count: number): void {
    for (let index = first; index < first + count; index += 1) {
      this.setNameLength(index, ADDRESS_BYTES);
      this.setControlLength(index, this.controlBytes);
      this.setPayloadLength(index, this.bytesPerMessage);
    }
  }

  /**
   * Of the `count` opened messages, `received` have arrived, and keep their bytes as payload. The
   * others have no bytes, no address and no control messages.
   */
  keepReceived(first: number, received: number, count: number): void {
    for (let index = first; index < first + received; index += 1) {
      this.setPayloadLength(index, this.length(index));
    }
    for (let index = first + received; index < first + count; index += 1) {
      this.setLength(index, 0);
      this.setNameLength(index, 0);
      this.setControlLength(index, 0);
      this.setPayloadLength(index, 0);
      this.#words[index * HEADER_WORDS + FLAGS_WORD] = 0;
    }
  }

  /** Write the pointers, once. */
  #link(): void {
    const view = new DataView(this.#records);
    const records = addressOf(this.#records);
    const data = addressOf(this.data);
    for (let index = 0; index < this.count; index += 1) {
      const header = index * MMSGHDR.bytes;
      const iovec = this.count * MMSGHDR.bytes + index * IOVEC.bytes;
      setPointer(view, header + MMSGHDR.name, data + BigInt(this.nameByte(index)));
      setPointer(view, header + MMSGHDR.iov, records + BigInt(iovec));
      view.setUint32(header + MMSGHDR.iovLength, 1, true);
      setPointer(view, header + MMSGHDR.control, data + BigInt(this.controlByte(index)));
      setPointer(view, iovec + IOVEC.base, data + BigInt(this.payloadByte(index)));
    }
  }
}

function setPointer(view: DataView, byte: number, address: bigint): void {
  if (POINTER_BYTES === 8) view.setBigUint64(byte, address, true);
  else view.setUint32(byte, Number(address), true);
}
