/**
 * The one acceptor of the strategy `single`: it runs in the pool's thread, and sends each connection to a
 * reactor. A reactor that is down is passed over; if all are, clients wait in the inboxes for those that
 * come. If all inboxes are full, the acceptor rests, and clients wait in the listener's backlog.
 */
import type { EventLoop } from '../../loop/event-loop';
import { type AcceptHandler, Acceptor } from '../../net/server/acceptor';
import { errno } from '../../sys/errno';
import { close } from '../../sys/io';
import { deliver } from '../inbox';
import { leastLoaded, VACANT } from './ticket';

/** To which reactor a connection goes. */
export type Balance = (typeof BALANCES)[number];

/** The names of {@link Balance}. */
export const BALANCES = ['round-robin', 'least-connections'] as const;

const NO_BYTES = new Uint8Array(0);

/** The setup of a {@link Dispatcher}. */
export interface DispatcherSetup {
  loop: EventLoop;
  balance: Balance;
  /** The number of the listener. */
  listener: number;
  /** Where to write, by seat. */
  inboxes: readonly number[];
  /** See {@link SharedSeats}. */
  connections: Int32Array;
  onError: (error: Error) => void;
}

/** Accepts for all reactors. */
export class Dispatcher implements AcceptHandler {
  readonly #setup: DispatcherSetup;
  readonly #acceptor: Acceptor;
  #last = -1;

  constructor(fd: number, setup: DispatcherSetup) {
    this.#setup = setup;
    this.#acceptor = new Acceptor(fd, { loop: setup.loop, trigger: 'level', handler: this });
  }

  onAccept(fd: number): void {
    try {
      if (!this.#dispatch(fd)) this.#acceptor.rest('sendmsg', -errno.ENOBUFS);
    } catch (error) {
      this.#setup.onError(error as Error);
    } finally {
      close(fd);
    }
  }

  onNoFds(fd: number): void {
    close(fd);
  }

  onAcceptError(error: Error): void {
    this.#setup.onError(error);
  }

  onListenerFailed(error: Error): void {
    this.#setup.onError(error);
  }

  onRevoked(reason: Error): void {
    this.#setup.onError(reason);
  }

  /** Accept and send all clients that wait, and no more. */
  close(): void {
    this.#acceptor.takeAll();
    this.#acceptor.close();
  }

  /** Returns false if all inboxes are full: then the client is lost. */
  #dispatch(fd: number): boolean {
    const { inboxes, listener, connections } = this.#setup;
    const first = this.#choose();
    const delivery = {
      kind: 'accepted',
      listener,
      from: -1,
      head: NO_BYTES,
      data: undefined,
    } as const;
    for (let step = 0; step < inboxes.length; step += 1) {
      const seat = (first + step) % inboxes.length;
      if (!deliver(inboxes[seat] as number, fd, delivery)) continue;
      // Until the reactor counts it itself.
      if (Atomics.load(connections, seat) !== VACANT) Atomics.add(connections, seat, 1);
      this.#last = seat;
      return true;
    }
    return false;
  }

  #choose(): number {
    const { balance, inboxes, connections } = this.#setup;
    if (balance === 'least-connections') return Math.max(0, leastLoaded(connections));
    for (let step = 1; step <= inboxes.length; step += 1) {
      const seat = (this.#last + step) % inboxes.length;
      if (Atomics.load(connections, seat) !== VACANT) return seat;
    }
    return (this.#last + 1) % inboxes.length;
  }
}
