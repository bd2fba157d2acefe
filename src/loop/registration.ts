/**
 * One fd in one loop. {@link EventLoop.add} returns it, and the loop does the work of its methods.
 *
 * The kernel returns 64 bits of ours with each event: a slot and its generation (see slot-table.ts).
 */

import { checkObject, invalidType } from '../base/check';
import type { EventData } from '../epoll/epoll';
import { SystemError } from '../sys/errno';
import { closeOwned } from '../sys/ownership';

/** Handles the events of an fd. Methods, not closures, so one object can serve many fds. */
export interface EventHandler {
  /**
   * The fd is ready for `events`. 0 means that {@link Registration.nextTurn} asked for this call. An
   * exception here becomes an uncaught exception.
   */
  onEvents(events: number): void;
  /**
   * The registration ended without a call of `remove`: the loop was closed, or the fd was closed and
   * its number registered again.
   */
  onRevoked(reason: Error): void;
}

/**
 * Whether a registration was revoked because its fd was closed while it was watched. Then the number
 * may belong to another file by now, and must not be closed.
 */
export function isFdGone(reason: Error): boolean {
  return reason instanceof SystemError && reason.code === 'EBADF';
}

/**
 * Close `fd` after the loop has refused to watch it with `error`. After EEXIST it is not closed: the
 * loop watches it for another owner. Returns whether the fd was ours to close.
 */
export function closeRefused(fd: number, error: unknown): boolean {
  if (error instanceof SystemError && error.code === 'EEXIST') return false;
  closeOwned(fd);
  return true;
}

/** Check the methods of an {@link EventHandler} now: the first event would be too late. */
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

/** The part of a loop that a registration calls. */
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

  /** Replace the interest mask. The kernel checks again, and reports an fd that is ready now. */
  modify(events: number): void {
    this.#owner.modify(this, events);
  }

  /** Arm a one-shot again, or make the kernel report a ready fd again. */
  rearm(): void {
    this.#owner.modify(this, this.events);
  }

  /** Stop watching. Call before the fd is closed. A second call does nothing. */
  remove(): void {
    this.#owner.remove(this);
  }

  /**
   * Put this on the ready list: the loop calls `handler.onEvents(events)` again soon, after the
   * other ready fds. For an edge-triggered fd whose quantum was spent before EAGAIN: the kernel has
   * reported it and will not report it again.
   */
  requeue(events: number): void {
    this.#owner.requeue(this, events);
  }

  /**
   * Make the loop call `handler.onEvents(0)` at the start of its next turn: after the ticks, promises
   * and immediates that are due by then, and before any further event of any fd.
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
