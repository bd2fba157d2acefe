/**
 * One fd in one loop. Handed out by {@link EventLoop.add}; what it can do is done by the loop.
 *
 * The kernel gives back 64 bits with each event; ours are a slot and the slot's generation (see
 * slot-table.ts).
 */

import { checkObject, invalidType } from '../base/check';
import type { EventData } from '../epoll/epoll';
import { SystemError } from '../sys/errno';
import { closeOwned } from '../sys/ownership';

/** Who is told of an fd's events. Methods, not closures: one object serves all. */
export interface EventHandler {
  /**
   * The fd is ready for what `events` says; 0 says that this is the turn that
   * {@link Registration.nextTurn} asked for. What it throws becomes an uncaught exception.
   */
  onEvents(events: number): void;
  /**
   * The registration ended without being removed by its holder: the loop was closed, or the fd was
   * closed and its number registered again.
   */
  onRevoked(reason: Error): void;
}

/**
 * Whether a registration was revoked because its fd was closed behind our back: then the number may
 * be somebody else's by now, and must not be closed.
 */
export function isFdGone(reason: Error): boolean {
  return reason instanceof SystemError && reason.code === 'EBADF';
}

/**
 * Close `fd`, which was to be watched, after that has failed with `error`. Not after EEXIST: the
 * loop watches the fd for somebody else, whose it is. Returns whether the fd was ours to close.
 */
export function closeRefused(fd: number, error: unknown): boolean {
  if (error instanceof SystemError && error.code === 'EEXIST') return false;
  closeOwned(fd);
  return true;
}

/** `handler` must have the methods of an {@link EventHandler}: when it is called it is too late. */
export function checkHandler(handler: unknown): void {
  checkObject('handler', handler);
  const { onEvents, onRevoked } = handler as Record<string, unknown>;
  if (typeof onEvents !== 'function') {
    throw invalidType('handler.onEvents', 'a function', onEvents);
  }
  if (typeof onRevoked !== 'function') {
    throw invalidType('handler.onRevoked', 'a function', onRevoked);
  }
}

/** What a registration needs of its loop. */
export interface RegistrationOwner {
  isActive(registration: Registration): boolean;
  eventsOf(registration: Registration): number;
  modify(registration: Registration, events: number): void;
  remove(registration: Registration): void;
  requeue(registration: Registration, events: number): void;
  nextTurn(registration: Registration): void;
  setHeld(registration: Registration, held: boolean): void;
}

/** An fd that a loop watches. */
export class Registration implements EventData {
  readonly fd: number;
  /** The slot; low half of the event's data. */
  readonly low: number;
  /** The generation of the slot; high half of the event's data. */
  readonly high: number;
  readonly #owner: RegistrationOwner;

  constructor(owner: RegistrationOwner, fd: number, { low, high }: EventData) {
    this.#owner = owner;
    this.fd = fd;
    this.low = low;
    this.high = high;
  }

  /** False once removed or revoked. */
  get active(): boolean {
    return this.#owner.isActive(this);
  }

  /** The interest mask the kernel was last given; 0 once removed. */
  get events(): number {
    return this.#owner.eventsOf(this);
  }

  /** Replace the interest mask. The kernel looks again: what is ready now is reported (again). */
  modify(events: number): void {
    this.#owner.modify(this, events);
  }

  /** Arm a one-shot again, or have a ready fd reported again. */
  rearm(): void {
    this.#owner.modify(this, this.events);
  }

  /** Stop watching. Call before the fd is closed. A second call does nothing. */
  remove(): void {
    this.#owner.remove(this);
  }

  /**
   * Put this on the ready list: `handler.onEvents(events)` is called again soon, after the other
   * ready fds had their turn. For an edge-triggered fd whose quantum was spent before EAGAIN: the
   * kernel has reported it and will not do so again.
   */
  requeue(events: number): void {
    this.#owner.requeue(this, events);
  }

  /**
   * Have `handler.onEvents(0)` called at the beginning of the loop's next turn: after the ticks,
   * promises and immediates that are due by then, and before any further event of any fd.
   */
  nextTurn(): void {
    this.#owner.nextTurn(this);
  }

  /** Hold the process open while this is registered; the default. */
  ref(): void {
    this.#owner.setHeld(this, true);
  }

  /** Do not hold the process open. */
  unref(): void {
    this.#owner.setHeld(this, false);
  }
}
