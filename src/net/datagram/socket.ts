/**
 * Datagrams on an event loop: UDP over IPv4 and IPv6, and datagram sockets of unix(7).
 *
 * Receiving: one recvmmsg(2) takes up to `messagesPerCall` messages. A listener gets a view that is
 * valid during the call, and an object that decodes the source only when it is read.
 *
 * Sending: the kernel takes a message at once or not at all. Nothing is queued here: when the
 * socket is full, `send` takes nothing and returns false, and `drain` follows when there may be
 * room.
 *
 * When the machine has no memory for received messages (ENOBUFS, ENOMEM), they stay in the kernel,
 * and reading rests for a while, as an acceptor does.
 */
import { types } from 'node:util';
import { EventEmitter } from 'eventemitter3';
import { invalidType, refuseExtra } from '../../base/check';
import { socketClosed } from '../../base/errors';
import { parseOptions } from '../../base/options';
import { reportFailure, reportPeer, reportTrouble } from '../../base/unheard';
import { lend } from '../../bytes/lent-memory';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { isFdGone, type Registration } from '../../loop/registration';
import { WheelTimer } from '../../loop/timer-wheel';
import { ADDRESS_BYTES, type SocketAddress } from '../../sys/address';
import * as constants from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { recvmmsg, sendmmsg, sendto } from '../../sys/message';
import { MessageBatch } from '../../sys/message-batch';
import { closeOwned, disown, own } from '../../sys/ownership';
import { getpeername, getsockname } from '../../sys/socket';
import type { UnixAddress } from '../../sys/unix-address';
import { decodeEndpoint, type Endpoint, encodeEndpoint } from '../socket/endpoint';
import { getSocketOption } from '../socket/options';
import { isReadingShut } from '../socket/readiness';
import { ShortageBackoff } from '../socket/shortage';
import type { SocketFile } from '../socket/socket-file';
import { joinGroup, leaveGroup, setMulticastInterface } from './groups';
import { DatagramInfo } from './info';
import { openDatagramSocket } from './open';
import {
  type DatagramSettings,
  type DatagramSocketOptions,
  datagramOptionsSchema,
} from './options';

const { EAGAIN, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EINTR } = errno;
const { ENETUNREACH, ENOBUFS, ENOMEM, ENOPROTOOPT, EPROTO } = errno;
const { EPOLLERR, EPOLLET, EPOLLIN, EPOLLOUT } = constants;
const { MSG_DONTWAIT, MSG_NOSIGNAL } = constants;
const { isUint8Array } = types;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/**
 * Answers of the network to an earlier message. The next call on the socket reports one instead of
 * doing its work, whatever that is; the socket itself is unharmed. See udp(7), "Error handling".
 */
const LATE = new Set([ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT, EPROTO]);

/**
 * The pause before a retry if the receiver's queue is full. A unix socket that is not connected to
 * it cannot be watched for that: EPOLLOUT reports only our own buffer.
 */
const RETRY_MS = 10;

/** The receiver: an {@link Endpoint}, its bytes, or the info of a message to answer. */
export type Destination = Endpoint | Uint8Array | DatagramInfo;

/** A message of {@link DatagramSocket.sendMany}. */
export interface Datagram {
  bytes: Uint8Array;
  /** Not given on a connected socket. */
  to?: Destination;
}

/** Events of {@link DatagramSocket}. */
export interface DatagramSocketEvents {
  /** A message. The view and `info` are valid during the call. */
  message: [bytes: Buffer, info: DatagramInfo];
  /** After a `send` that took nothing: there may be room now. */
  drain: [];
  /**
   * An earlier message did not arrive (ECONNREFUSED on a connected socket): the socket goes on, and
   * this need not be listened to. Or there was no memory to receive (ENOBUFS, ENOMEM), one error in
   * ten seconds at most: without a listener a warning. Or the socket failed, and `close` follows:
   * without a listener an uncaught exception.
   */
  error: [error: Error];
  /** The socket is closed; nothing follows. */
  close: [];
}

/** `full`: the kernel took no message, `drain` is owed. */
type SocketState = 'open' | 'full' | 'closed';

/** A datagram socket. An emitter of eventemitter3: `instanceof` the EventEmitter of node:events is false. */
export class DatagramSocket extends EventEmitter<DatagramSocketEvents> {
  readonly #fd: number;
  readonly #file: SocketFile | null;
  readonly #isUnix: boolean;
  readonly #loop: EventLoop;
  readonly #registration: Registration;
  readonly #settings: DatagramSettings;
  readonly #received: MessageBatch;
  readonly #info: DatagramInfo;
  readonly #retry = new WheelTimer({ onTimer: () => this.#drained() });
  /** Made by the first {@link sendMany}. */
  #toSend: MessageBatch | null = null;
  #state: SocketState = 'open';
  /** Scheduled while there is no memory to receive. */
  readonly #rest = new WheelTimer({ onTimer: () => this.#watchReading(EPOLLIN) });
  readonly #backoff = new ShortageBackoff();
  /**
   * Only the edges once the reading half was shut down, and during a rest: it would be reported
   * readable without end.
   */
  #readMask = EPOLLIN;

  /**
   * Throws a TypeError that names a wrong option, a RangeError for a wrong address, and a {@link
   * SystemError} with the address if it cannot be bound (EADDRINUSE, EACCES, EADDRNOTAVAIL) or
   * connected to.
   */
  constructor(options: DatagramSocketOptions = {}) {
    super();
    this.#settings = parseOptions('DatagramSocket', datagramOptionsSchema, options);
    const { maxMessageBytes, messagesPerCall } = this.#settings;
    this.#loop = this.#settings.loop ?? defaultLoop();
    this.#received = new MessageBatch({ count: messagesPerCall, bytesPerMessage: maxMessageBytes });
    lend(this.#received.room(0));
    this.#info = new DatagramInfo(this.#received);
    const { fd, file, family } = openDatagramSocket(this.#settings);
    this.#fd = fd;
    this.#file = file;
    this.#isUnix = family === 'unix';
    try {
      this.#registration = this.#loop.add(fd, EPOLLIN, this);
    } catch (error) {
      file?.remove();
      closeOwned(fd);
      throw error;
    }
    // Again: the loop may have revoked a stale owner of the same number, which disowned it.
    own(fd);
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.#loop;
  }

  /** The fd, which stays ours; -1 once closed. */
  get fd(): number {
    return this.closed ? -1 : this.#fd;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** The bound address; null once closed. */
  get address(): SocketAddress | UnixAddress | null {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const length = this.closed ? -1 : getsockname(this.#fd, bytes);
    return length < 0 ? null : decodeEndpoint(bytes.subarray(0, length));
  }

  /** The peer that the socket is connected to; null if there is none, and once closed. */
  get remoteAddress(): SocketAddress | UnixAddress | null {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const length = this.closed ? -1 : getpeername(this.#fd, bytes);
    return length < 0 ? null : decodeEndpoint(bytes.subarray(0, length));
  }

  /**
   * Send one message; a string as UTF-8. For many, encode the address once (`sys.encodeAddress`)
   * and pass its bytes.
   *
   * Returns true when the kernel has it, and false when there is no room: then nothing was sent,
   * and `drain` follows. Throws a {@link SystemError} for a message that cannot be sent: EMSGSIZE,
   * EDESTADDRREQ, EACCES (broadcast), ENOENT or ECONNREFUSED (no such unix socket).
   */
  send(data: string | Uint8Array, to?: Destination, noMore?: never): boolean {
    refuseExtra(
      'send',
      noMore,
      'the destination is { address, port }, and the outcome is returned',
    );
    this.#assertOpen('send');
    if (typeof data !== 'string' && !isUint8Array(data)) {
      throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
    }
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const address = addressOf(to);
    let outcome = sendto(this.#fd, bytes, bytes.byteLength, FLAGS, address);
    if (LATE.has(-outcome)) {
      outcome = this.#afterLate(outcome, sendto(this.#fd, bytes, bytes.byteLength, FLAGS, address));
    }
    if (outcome >= 0) return true;
    if (outcome !== -EAGAIN) throw new SystemError('sendto', outcome, { fd: this.#fd });
    this.#awaitDrain(address !== null);
    return false;
  }

  /**
   * Send messages with as few system calls as possible. Returns how many the kernel has. If it has
   * not all of them, `drain` follows: send the rest then. Throws as {@link send}, if the first of
   * them cannot be sent, and a RangeError for one longer than `maxMessageBytes`; those before it
   * may have been sent.
   */
  sendMany(datagrams: readonly Datagram[]): number {
    this.#assertOpen('send');
    if (!Array.isArray(datagrams)) throw invalidType('datagrams', 'an array', datagrams);
    const { maxMessageBytes: bytesPerMessage, messagesPerCall: count } = this.#settings;
    this.#toSend ??= new MessageBatch({ count, bytesPerMessage });
    const batch = this.#toSend;
    let sent = 0;
    while (sent < datagrams.length) {
      const part = datagrams.slice(sent, sent + batch.count);
      for (const [index, { bytes, to }] of part.entries()) batch.set(index, bytes, addressOf(to));
      let outcome = sendmmsg(this.#fd, batch, 0, part.length, FLAGS);
      if (LATE.has(-outcome)) {
        outcome = this.#afterLate(outcome, sendmmsg(this.#fd, batch, 0, part.length, FLAGS));
      }
      if (outcome < 0) {
        if (sent === 0 && outcome !== -EAGAIN) {
          throw new SystemError('sendmmsg', outcome, { fd: this.#fd });
        }
        this.#awaitDrain(part.some(({ to }) => to !== undefined));
        break;
      }
      sent += outcome;
    }
    return sent;
  }

  /**
   * Receive the messages to a multicast group, on the interface with an address of ours (IPv4), or
   * in a zone (IPv6: of the group, "ff02::1%eth0", or of `interfaceAddress`, "::%eth0"); else on
   * the kernel's choice.
   */
  joinGroup(group: string, interfaceAddress?: string): void {
    this.#assertOpen('join or leave a group');
    joinGroup(this.#fd, { group, interfaceAddress });
  }

  /** Undo {@link joinGroup}; closing does it too. */
  leaveGroup(group: string, interfaceAddress?: string): void {
    this.#assertOpen('join or leave a group');
    leaveGroup(this.#fd, { group, interfaceAddress });
  }

  /** Send to IPv4 groups through the interface with this address of ours, to IPv6 ones by "::%eth0". */
  setMulticastInterface(interfaceAddress: string): void {
    this.#assertOpen('set the interface');
    setMulticastInterface(this.#fd, interfaceAddress);
  }

  /** Hold the process open; the default. */
  ref(): this {
    this.#registration.ref();
    return this;
  }

  /** Do not hold the process open. */
  unref(): this {
    this.#registration.unref();
    return this;
  }

  /** Close now. A second call does nothing. */
  close(): void {
    if (this.closed) return;
    this.#leave();
    unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * For the loop: what went wrong before comes first, because it would stop the reading.
   * @internal
   */
  onEvents(events: number): void {
    if ((events & EPOLLERR) !== 0) this.#takeError();
    if ((events & EPOLLIN) !== 0 && !this.closed) this.#receive();
    if ((events & EPOLLOUT) !== 0 && this.#state === 'full') {
      this.#registration.modify(this.#readMask);
      this.#drained();
    }
  }

  /** For the loop. @internal */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason)) return this.close();
    disown(this.#fd);
    this.#leave();
    reportFailure(this, reason);
  }

  /** Everything but closing the fd. */
  #leave(): void {
    this.#state = 'closed';
    this.#loop.timers.cancel(this.#retry);
    this.#loop.timers.cancel(this.#rest);
    this.#registration.remove();
    this.#file?.remove();
    // Later, so that a caller of close() can still attach a listener.
    process.nextTick(() => this.emit('close'));
  }

  /** One call; the rest is reported again, after other fds had their turn. */
  #receive(): void {
    const batch = this.#received;
    const count = recvmmsg(this.#fd, batch, batch.count, MSG_DONTWAIT);
    if (count < 0) return this.#onReceiveError(count);
    this.#backoff.end();
    for (let index = 0; index < count && !this.closed; index += 1) {
      try {
        this.emit('message', batch.received(index), this.#info.turnTo(index));
      } catch (error) {
        this.#loop.uncaught(error);
      }
    }
  }

  #onReceiveError(outcome: number): void {
    if (outcome === -EINTR) return;
    if (outcome === -EAGAIN) return this.#onNothing();
    if (outcome === -ENOBUFS || outcome === -ENOMEM) return this.#onShortage(outcome);
    const error = new SystemError('recvmmsg', outcome, { fd: this.#fd });
    if (LATE.has(-outcome)) return void reportPeer(this, error);
    this.close();
    reportFailure(this, error);
  }

  /** Readable, but empty: the last message had a wrong checksum; or shutdown(2) was called. */
  #onNothing(): void {
    if (isReadingShut(this.#fd)) this.#watchReading(EPOLLET);
  }

  /** The messages wait in the kernel. */
  #onShortage(outcome: number): void {
    this.#watchReading(EPOLLET);
    this.#loop.timers.schedule(this.#rest, this.#backoff.nextRestMs());
    const error = this.#backoff.report('recvmmsg', outcome, this.#fd);
    if (error !== null) reportTrouble(this, error);
  }

  #watchReading(mask: number): void {
    this.#readMask = mask;
    const awaitsRoom = this.#state === 'full' && !this.#retry.scheduled;
    this.#registration.modify(awaitsRoom ? (mask | EPOLLOUT) >>> 0 : mask);
  }

  #takeError(): void {
    const pending = getSocketOption(this.#fd, 'error');
    // Zero if a call has met it since.
    if (pending !== 0) reportPeer(this, new SystemError('poll', pending, { fd: this.#fd }));
  }

  /** A call returned `first`, was made again, and then returned `second`, which counts. */
  #afterLate(first: number, second: number): number {
    // Twice the same: it is about this message; otherwise it was about an earlier one.
    if (second === first) return second;
    const error = new SystemError('sendto', first, { fd: this.#fd });
    process.nextTick(() => reportPeer(this, error));
    return second;
  }

  #awaitDrain(isAddressed: boolean): void {
    if (this.#state === 'full') return;
    this.#state = 'full';
    if (this.#isUnix && isAddressed) this.#loop.timers.schedule(this.#retry, RETRY_MS);
    else this.#registration.modify((this.#readMask | EPOLLOUT) >>> 0);
  }

  #drained(): void {
    this.#state = 'open';
    this.emit('drain');
  }

  #assertOpen(action: string): void {
    if (this.closed) throw socketClosed(action);
  }
}

function addressOf(to: Destination | undefined): Uint8Array | null {
  if (to === undefined) return null;
  if (to instanceof DatagramInfo) return to.sourceBytes;
  return isUint8Array(to) ? to : encodeEndpoint(to);
}
