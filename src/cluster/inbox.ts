/**
 * How an fd changes from one thread of a pool to another: by a unix socket of this process.
 *
 * A number in a message would not do. Between the message and its reader either thread may be terminated:
 * then the fd stays open for good, or its number stands for another file by the time it is read. In a socket
 * (SCM_RIGHTS, unix(7)) the kernel holds the open file itself. A message that is never read is closed by
 * the kernel, and one for a reactor that has died is read by the reactor that replaces it.
 *
 * Each seat of a pool has one inbox, whose two ends the pool owns; every thread of the pool may write into it.
 */
import { deserialize, serialize } from 'node:v8';
import type { EventLoop } from '../loop/event-loop';
import type { EventHandler, Registration } from '../loop/registration';
import { receiveFds, sendFds } from '../net/socket/fd-passing';
import { AF_UNIX, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from '../sys/constants';
import { SystemError, unwrap } from '../sys/errno';
import { closeOwned, own } from '../sys/ownership';
import { socketpair } from '../sys/socket';
import { duplicate } from './duplicate';

/** `accepted`: by the pool. `connection`: of a server of another reactor. `fd`: anything. */
type DeliveryKind = (typeof KINDS)[number];

const KINDS = ['accepted', 'connection', 'fd'] as const;

/** The message that goes along with an fd. */
export interface Delivery {
  kind: DeliveryKind;
  /** The number of the listener that it came by. */
  listener: number;
  /** The seat of the sender; -1 for the pool. */
  from: number;
  /** Bytes that were read and not handled. */
  head: Uint8Array;
  /** Anything that can be cloned; undefined for nothing. */
  data: unknown;
}

/** Bytes before `head`: kind, listener, sender (two), length of the head (four). */
const PREFIX_BYTES = 8;
/** Deliveries taken at one event: a full inbox must not hold the thread. */
const DELIVERIES_PER_EVENT = 64;
const NO_SENDER = 0xffff;
const NO_BYTES = new Uint8Array(0);

/** The two ends of an inbox. */
export interface InboxFds {
  readFd: number;
  writeFd: number;
}

/** A new inbox. The caller closes both ends. Throws EMFILE or ENFILE. */
export function makeInbox(): InboxFds {
  const pair = new Int32Array(2);
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
  unwrap(socketpair(AF_UNIX, type, 0, pair), 'socketpair');
  const [readFd, writeFd] = pair as unknown as [number, number];
  return { readFd: own(readFd), writeFd: own(writeFd) };
}

/**
 * Send `fd` to the reactor that reads the inbox. Returns false if the inbox is full, and nothing was sent.
 * `fd` stays open here. Throws a RangeError for more than 64 KiB that go along, and what
 * {@link sendFds} throws. Does not block.
 */
export function deliver(writeFd: number, fd: number, delivery: Delivery): boolean {
  return sendFds(writeFd, [fd], encode(delivery)) > 0;
}

function encode({ kind, listener, from, head, data }: Delivery): Uint8Array {
  const tail = data === undefined ? NO_BYTES : serialize(data);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + head.byteLength + tail.byteLength);
  bytes[0] = KINDS.indexOf(kind);
  bytes[1] = listener;
  bytes.writeUInt16LE(from < 0 ? NO_SENDER : from, 2);
  bytes.writeUInt32LE(head.byteLength, 4);
  bytes.set(head, PREFIX_BYTES);
  bytes.set(tail, PREFIX_BYTES + head.byteLength);
  return bytes;
}

function decode(bytes: Buffer): Delivery {
  const from = bytes.readUInt16LE(2);
  const headEnd = PREFIX_BYTES + bytes.readUInt32LE(4);
  return {
    kind: KINDS[bytes[0] as number] as DeliveryKind,
    listener: bytes[1] as number,
    from: from === NO_SENDER ? -1 : from,
    head: bytes.subarray(PREFIX_BYTES, headEnd),
    data: headEnd === bytes.byteLength ? undefined : deserialize(bytes.subarray(headEnd)),
  };
}

/** Calls of an {@link InboxReader}. */
export interface InboxHandler {
  /** `fd` is the handler's to close. */
  onDelivery(fd: number, delivery: Delivery): void;
  /** An fd was lost: this process has none left (ERR_FDS_TRUNCATED). Its peer is closed. */
  onLost(error: Error): void;
}

/** Reads an inbox in a loop. */
export class InboxReader implements EventHandler {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #handler: InboxHandler;
  readonly #registration: Registration;
  #state: 'open' | 'closed' = 'open';

  /** Does not take `readFd` over. It holds no process and no thread. Throws EMFILE. */
  constructor(readFd: number, loop: EventLoop, handler: InboxHandler) {
    this.#loop = loop;
    this.#handler = handler;
    this.#fd = duplicate(readFd);
    try {
      this.#registration = loop.add(this.#fd, EPOLLIN, this);
    } catch (error) {
      closeOwned(this.#fd);
      throw error;
    }
    this.#registration.unref();
  }

  onEvents(): void {
    for (let count = 0; count < DELIVERIES_PER_EVENT && this.#registration.active; count += 1) {
      if (!this.#takeOne()) return;
    }
  }

  /** Take all that has come. */
  drain(): void {
    while (this.#registration.active && this.#takeOne());
  }

  onRevoked(): void {
    this.close();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#registration.remove();
    closeOwned(this.#fd);
  }

  #takeOne(): boolean {
    let received: ReturnType<typeof receiveFds>;
    try {
      received = receiveFds(this.#fd);
    } catch (error) {
      this.#handler.onLost(error as Error);
      // A message was lost, and others may follow; or the inbox itself is unusable.
      if (error instanceof SystemError) this.close();
      return true;
    }
    if (received === null || received.bytes.byteLength === 0) return false;
    const [fd] = received.fds;
    if (fd === undefined) return true;
    own(fd);
    try {
      this.#handler.onDelivery(fd, decode(received.bytes));
    } catch (error) {
      this.#loop.uncaught(error);
    }
    return true;
  }
}

/** Close both ends; the kernel closes the fds that are still in it. */
export function closeInbox({ readFd, writeFd }: InboxFds): void {
  closeOwned(readFd);
  closeOwned(writeFd);
}
