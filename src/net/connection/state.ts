/**
 * The states of a connection, and every way from one to another. Pure: no I/O, no callbacks.
 *
 * A stream socket has two halves that end one by one, so a state is a pair: what becomes of the bytes
 * that come, and what becomes of those that go. All states are made once and shared, and so a
 * connection has one field for its state, and allocates nothing to change it.
 *
 * Each method of {@link ConnectionState} is one thing that can happen, and returns the next state; the
 * same state if that thing changes nothing now.
 */

/** The state of the receiving side. */
export type Reading =
  /** They are delivered as they come. */
  | 'flowing'
  /** They are left in the kernel, until `resume`. */
  | 'paused'
  /** The peer's FIN was found. It is delivered in the next turn. */
  | 'ending'
  /** An error was found behind the FIN. Both are delivered in the next turn. */
  | 'breaking'
  /** An error was found. It closes the connection in the next turn. */
  | 'failing'
  /** The FIN was delivered, or the connection is closed: nothing more comes. */
  | 'ended';

/** The state of the sending side. */
export type Writing =
  /** `write` takes them. */
  | 'open'
  /** `end` was called: our FIN follows when the queue is sent. */
  | 'finishing'
  /** Our FIN was sent, or the connection is closed. */
  | 'finished'
  /** A write failed. The connection closes at the next tick. */
  | 'failed';

const READINGS: readonly Reading[] = [
  'flowing',
  'paused',
  'ending',
  'breaking',
  'failing',
  'ended',
];
const WRITINGS: readonly Writing[] = ['open', 'finishing', 'finished', 'failed'];

/** One state. */
export class ConnectionState {
  readonly reading: Reading;
  readonly writing: Writing;
  /** Whether the fd is closed, or about to be: no other state follows. */
  readonly closed: boolean;
  /** Whether what comes is delivered: not when paused, after the FIN, and once closed. */
  readonly flowing: boolean;
  /** Whether `write` takes bytes. */
  readonly writable: boolean;
  /** Whether what is queued is sent: not once a write has failed, and once closed. */
  readonly sends: boolean;

  constructor(reading: Reading, writing: Writing, closed: boolean) {
    this.reading = reading;
    this.writing = writing;
    this.closed = closed;
    this.flowing = reading !== 'paused' && reading !== 'ended';
    this.writable = writing === 'open';
    this.sends = !closed && writing !== 'failed';
  }

  /** Whether another owner of the socket would find all as it is: nothing has ended, and no error was taken. */
  get detachable(): boolean {
    const isKept =
      this.reading === 'flowing' || this.reading === 'paused' || this.reading === 'ending';
    return isKept && this.writing === 'open';
  }

  /** `pause` was called. A FIN that was found is found again after `resume`; an error is not. */
  paused(): ConnectionState {
    const isPossible = this.reading === 'flowing' || this.reading === 'ending';
    return isPossible ? this.#with('paused') : this;
  }

  /** `resume` was called. */
  resumed(): ConnectionState {
    return this.reading === 'paused' ? this.#with('flowing') : this;
  }

  /** recv(2) has found the peer's FIN. */
  endFound(): ConnectionState {
    return this.reading === 'flowing' ? this.#with('ending') : this;
  }

  /** recv(2) has failed, or the socket has an error. */
  errorFound(): ConnectionState {
    if (this.reading === 'flowing') return this.#with('failing');
    return this.reading === 'ending' ? this.#with('breaking') : this;
  }

  /** The peer's FIN is being delivered. */
  endDelivered(): ConnectionState {
    const isFound = this.reading === 'ending' || this.reading === 'breaking';
    return isFound ? this.#with('ended') : this;
  }

  /** `end` was called. */
  endAsked(): ConnectionState {
    return this.writing === 'open' ? this.#with(this.reading, 'finishing') : this;
  }

  /** Our FIN was sent. */
  endSent(): ConnectionState {
    return this.writing === 'finishing' ? this.#with(this.reading, 'finished') : this;
  }

  /** A write has failed. */
  writeFailed(): ConnectionState {
    const isSending = this.writing === 'open' || this.writing === 'finishing';
    return isSending ? this.#with(this.reading, 'failed') : this;
  }

  #with(reading: Reading, writing = this.writing): ConnectionState {
    const index = READINGS.indexOf(reading) * WRITINGS.length + WRITINGS.indexOf(writing);
    return STATES[index] as ConnectionState;
  }
}

const STATES = READINGS.flatMap((reading) =>
  WRITINGS.map((writing) => new ConnectionState(reading, writing, false)),
);

/** The state in which a connection begins: both halves are open. */
export const OPEN: ConnectionState = STATES[0] as ConnectionState;

/** The last state, which every other one may lead to. */
export const CLOSED: ConnectionState = new ConnectionState('ended', 'finished', true);
