/**
 * Small writes that a connection makes while its own events are handled, put together for one send(2).
 *
 * One object for a loop, as only one connection's events are handled at a time: the owner, from
 * `begin` to `end`. The first write is kept by reference, because mostly it is the only one and then
 * never copied; from the second on all stand in one buffer. The gathered bytes are the owner's alone: it
 * takes them before anything else is sent, and `end` drops what an exception has left.
 */
import { allocateLent } from '../../bytes/lent-memory';

/** Bytes gathered for one send(2). */
const GATHER_BYTES = 64 * 1024;

/** The writes of one connection at a time. */
export class Gather {
  readonly #room: Buffer = allocateLent(GATHER_BYTES);
  #owner: object | null = null;
  /** The first write, while there is no second one. */
  #first: Uint8Array | null = null;
  /** How many bytes are gathered: of `#first` alone, or in `#room`. */
  #bytes = 0;

  /** Whether no connection's events are being handled. */
  get free(): boolean {
    return this.#owner === null;
  }

  /** How many bytes {@link take} will give. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The events of `owner` are handled from now on. */
  begin(owner: object): void {
    this.#owner = owner;
  }

  /** They have been handled. Nothing is left but after an exception. */
  end(): void {
    this.#owner = null;
    this.drop();
  }

  /** Whether it is the events of `owner` that are being handled. */
  isOf(owner: object): boolean {
    return this.#owner === owner;
  }

  /** Put `data` behind what is gathered; a string as UTF-8. Returns false if there is no room. */
  add(data: string | Uint8Array): boolean {
    if (typeof data === 'string') {
      // UTF-8 takes at most three bytes for a UTF-16 unit.
      if (!this.#makeRoom(data.length * 3)) return false;
      this.#bytes += this.#room.write(data, this.#bytes);
    } else if (this.#bytes === 0) {
      this.#first = data;
      this.#bytes = data.byteLength;
    } else {
      if (!this.#makeRoom(data.byteLength)) return false;
      this.#room.set(data, this.#bytes);
      this.#bytes += data.byteLength;
    }
    return true;
  }

  /** As {@link add}, both or none; copies both. */
  addPair(head: Uint8Array, body: Uint8Array): boolean {
    const length = head.byteLength + body.byteLength;
    if (!this.#makeRoom(length)) return false;
    this.#room.set(head, this.#bytes);
    this.#room.set(body, this.#bytes + head.byteLength);
    this.#bytes += length;
    return true;
  }

  /**
   * Take the gathered bytes, of which the first {@link bytes} count, as they were before this call;
   * nothing is gathered after it. A first write may have been detached or shrunk: then the view is shorter.
   */
  take(): Uint8Array {
    const bytes = this.#first ?? this.#room;
    this.drop();
    return bytes;
  }

  /** Forget what is gathered. */
  drop(): void {
    this.#first = null;
    this.#bytes = 0;
  }

  /** Whether `bytes` more fit behind what is gathered, to where a first write is moved. */
  #makeRoom(bytes: number): boolean {
    if (bytes > this.#room.byteLength - this.#bytes) return false;
    if (this.#first === null) return true;
    if (this.#first.byteLength < this.#bytes) return false;
    this.#room.set(this.#first.subarray(0, this.#bytes));
    this.#first = null;
    return true;
  }
}
