/**
 * When connections are cut: the deadlines of all connections of one loop.
 *
 * A connection has no object for them and one field, its place on the timer wheel. Its limits and
 * what is measured stand in a row of one typed array, at the number of its slot in the loop; rows
 * that no connection needs are never touched. A connection is on the wheel once, for whichever deadline is
 * next, and only if it has one.
 *
 * No message pays for this: what moves a deadline (`lastActivity`, `bytesRead`, the queue) is noted
 * anyway, and looked at when the timer fires, which is then set again for what is left.
 *
 * The measure of each deadline. All but the last two are about progress: a peer that is slow and steady
 * meets none of them; `lifetimeMs` and `minReadRate` limit the slow.
 * - `idleTimeoutMs`: no byte moved in either direction. Bytes move when we read them, when the kernel
 *   takes ours, and when the peer's kernel takes them from ours.
 * - `writeTimeoutMs`: something is queued, and none of our bytes moved: neither from the queue to the
 *   kernel nor from there to the peer. Bytes that the peer sends do not count.
 * - `lifetimeMs`: the time since the opening, whatever moves.
 * - `minReadRate`: bytes received in a window, while the peer owes some.
 * The kernel does not say when its bytes moved, so it is looked at now and then while some are on
 * their way (see delivery-progress.ts): `writeTimeoutMs` cuts at most a quarter late. An idle time with
 * bytes on their way begins again at the first look, which is when it has passed once.
 *
 * A connection is cut only for its peer's silence. If this thread stalled, bytes already waiting in the
 * kernel count as received in time, as does room there for ours. The time that a slow turn took before
 * it served the peer does not count: see {@link EventLoop.handledBy}.
 */

import { invalidType, outOfRange } from '../../base/check';
import type { EventLoop } from '../../loop/event-loop';
import type { TimerEntry } from '../../loop/timer-lists';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import { errno, SystemError } from '../../sys/errno';
import { undeliveredBytes } from '../socket/undelivered';
import { DeliveryProgress, LOOKS_PER_LIMIT } from './delivery-progress';

/** {@link ReadRate.windowMs} if it is not given. */
export const DEFAULT_WINDOW_MS = 5_000;

/** How slow a peer may be that owes us bytes: against those who hold a connection by a drop now and then. */
export interface ReadRate {
  /** Bytes a second, on average over each window. */
  bytesPerSecond: number;
  /** Milliseconds of a window, and so the grace of the first bytes; 5,000 if not given. */
  windowMs?: number | undefined;
}

/** The limits of one connection; 0 is none. */
export interface DeadlineLimits {
  readonly idleTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly lifetimeMs: number;
  readonly minReadRate?: ReadRate | null | undefined;
}

/** The part of a connection that is checked when a deadline may have passed. */
export interface DeadlineSubject extends TimerEntry {
  /** A small integer that no other connection of the loop has. */
  readonly slot: number;
  /** When bytes last moved in either direction. */
  readonly lastActivity: number;
  /** -1 once closed. */
  readonly fd: number;
  /** Since when the kernel has taken nothing of the queue; Infinity if it is empty. */
  readonly waitingSince: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Whether what comes is read: neither paused nor at its end. */
  readonly flowing: boolean;
  /** Whether bytes wait in the kernel that are about to be read. */
  hasUnread(): boolean;
  /** Whether the kernel has room for what is queued, which is about to be sent. */
  canFlushNow(): boolean;
}

// A row, which is one cache line: the limits, then what is measured.
const COLUMNS = 8;
const IDLE = 0;
const WRITE = 1;
const LIFETIME = 2;
/** From when the lifetime counts. */
const BORN = 3;
/** Bytes that are to come in a window; 0 for no {@link ReadRate}. */
const WINDOW_BYTES = 4;
const WINDOW = 5;
/** When the window began; Infinity while the peer owes nothing. */
const WINDOW_START = 6;
/** `bytesRead` when the window began, or since which the peer owes nothing. */
const WINDOW_MARK = 7;

/** The deadlines of one loop's connections. */
export class ConnectionDeadlines {
  readonly #loop: EventLoop;
  readonly #progress = new DeliveryProgress();
  #rows = new Float64Array(0);

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** `connection` is open from now on. */
  open(connection: DeadlineSubject, limits: DeadlineLimits): void {
    const { idleTimeoutMs, writeTimeoutMs, lifetimeMs, minReadRate: rate = null } = limits;
    if (idleTimeoutMs + writeTimeoutMs + lifetimeMs === 0 && rate === null) return;
    const row = this.#row(connection.slot);
    this.#rows[row + IDLE] = idleTimeoutMs;
    this.#rows[row + WRITE] = writeTimeoutMs;
    this.#rows[row + LIFETIME] = lifetimeMs;
    this.#rows[row + BORN] = performance.now();
    if (rate !== null) this.#setRate(row, connection, rate);
    this.arm(connection);
  }

  /** `connection` is closed. */
  close(connection: DeadlineSubject): void {
    this.#loop.timers.cancel(connection);
    this.#progress.forget(connection.slot);
    if (this.#has(connection)) {
      const row = connection.slot * COLUMNS;
      this.#rows.fill(0, row, row + COLUMNS);
    }
  }

  setIdle(connection: DeadlineSubject, timeoutMs: number): void {
    this.#setLimit(connection, IDLE, timeoutMs);
  }

  setWrite(connection: DeadlineSubject, timeoutMs: number): void {
    this.#setLimit(connection, WRITE, timeoutMs);
  }

  /** From now on. */
  setLifetime(connection: DeadlineSubject, lifetimeMs: number): void {
    checkLimit('lifetimeMs', lifetimeMs);
    const row = this.#row(connection.slot);
    this.#rows[row + BORN] = performance.now();
    this.#setLimit(connection, LIFETIME, lifetimeMs);
  }

  /** Null for none. The peer owes bytes from now on. */
  setReadRate(connection: DeadlineSubject, rate: ReadRate | null): void {
    const row = this.#row(connection.slot);
    if (rate === null) this.#rows.fill(0, row + WINDOW_BYTES, row + COLUMNS);
    else this.#setRate(row, connection, rate);
    this.arm(connection);
  }

  /** Whether the peer owes bytes; see {@link StreamConnection.expectBytes}. */
  expectBytes(connection: DeadlineSubject, expected: boolean): void {
    if (!this.#hasRate(connection)) return;
    const row = connection.slot * COLUMNS;
    if (!expected) {
      this.#rows[row + WINDOW_START] = Infinity;
      this.#rows[row + WINDOW_MARK] = connection.bytesRead;
    } else if (this.#rows[row + WINDOW_START] === Infinity) {
      this.#beginWindow(row, connection, performance.now());
      this.arm(connection);
    }
  }

  /** `connection` is read again after a pause, in which its peer could not be judged. */
  onResume(connection: DeadlineSubject): void {
    if (!this.#hasRate(connection)) return;
    const row = connection.slot * COLUMNS;
    if (this.#rows[row + WINDOW_START] === Infinity) return;
    this.#beginWindow(row, connection, performance.now());
  }

  /** A value that a deadline depends on has changed: see that the timer does not fire too late. */
  arm(connection: DeadlineSubject): void {
    if (!this.#has(connection)) return;
    const now = performance.now();
    const due = this.#due(connection, now);
    if (due !== Infinity) this.#loop.timers.scheduleSooner(connection, due - now);
  }

  /** The timer has fired. Returns why the connection is to be cut; null, set again, if it is not. */
  judge(connection: DeadlineSubject): SystemError | null {
    if (!this.#has(connection)) return null;
    const now = performance.now();
    const row = connection.slot * COLUMNS;
    const error = this.#judgeReading(connection, row, now) ?? this.#judgeTime(connection, row, now);
    if (error === null) {
      if (this.#hasRate(connection)) this.#moveWindow(row, connection, now);
      this.arm(connection);
    }
    return error;
  }

  /**
   * Whether no byte has moved for `idleMs` until `now`, also not from the kernel to the peer. The
   * first look at bytes on their way cannot know, and counts as a move.
   */
  isIdle(connection: DeadlineSubject, { idleMs, now }: { idleMs: number; now: number }): boolean {
    const { slot, fd, lastActivity } = connection;
    const since = this.#loop.handledBy(lastActivity);
    if (now < since + idleMs) return false;
    if (this.#progress.lookedAt(slot) < since && undeliveredBytes(fd) === 0) return true;
    return now >= this.#look(connection, now) + idleMs;
  }

  /** When bytes last moved from the kernel to the peer, as far as looks show. */
  #look({ slot, fd, bytesWritten }: DeadlineSubject, now: number): number {
    return this.#progress.look(slot, { delivered: bytesWritten - undeliveredBytes(fd), now });
  }

  /** The error if the peer has not sent in time; null if its bytes wait unread in the kernel. */
  #judgeReading(connection: DeadlineSubject, row: number, now: number): SystemError | null {
    const idleMs = this.#rows[row + IDLE] as number;
    const isIdle = idleMs > 0 && this.isIdle(connection, { idleMs, now });
    const isSlow = this.#isSlow(connection, row, now);
    if ((!isIdle && !isSlow) || connection.hasUnread()) return null;
    if (isIdle) return idleError(idleMs, 'idleTimeoutMs');
    const count = connection.bytesRead - (this.#rows[row + WINDOW_MARK] as number);
    const wanted = Math.ceil(this.#rows[row + WINDOW_BYTES] as number);
    const windowMs = this.#rows[row + WINDOW];
    return timeoutError('read', `${count} bytes in ${windowMs} ms, not ${wanted} (minReadRate)`);
  }

  #judgeTime(connection: DeadlineSubject, row: number, now: number): SystemError | null {
    const writeMs = this.#rows[row + WRITE] as number;
    const since = writeMs > 0 ? this.#loop.handledBy(connection.waitingSince) : Infinity;
    const isToLook = now >= since + writeMs / LOOKS_PER_LIMIT;
    const isLate = isToLook && now >= Math.max(since, this.#look(connection, now)) + writeMs;
    if (isLate && !connection.canFlushNow()) {
      const reason = `a write has waited for ${writeMs} ms, the peer does not read (writeTimeoutMs)`;
      return timeoutError('write', reason);
    }
    const lifetimeMs = this.#rows[row + LIFETIME] as number;
    const born = this.#rows[row + BORN] as number;
    if (lifetimeMs === 0 || now < born + lifetimeMs) return null;
    return timeoutError('read', `the connection is open for ${lifetimeMs} ms (lifetimeMs)`);
  }

  #isSlow(connection: DeadlineSubject, row: number, now: number): boolean {
    if (!this.#hasRate(connection) || !connection.flowing) return false;
    if (now < this.#windowEnd(row)) return false;
    const count = connection.bytesRead - (this.#rows[row + WINDOW_MARK] as number);
    return count < (this.#rows[row + WINDOW_BYTES] as number);
  }

  /** After a judgement: the next window, or the first of a message that has begun since. */
  #moveWindow(row: number, connection: DeadlineSubject, now: number): void {
    const isResting = this.#rows[row + WINDOW_START] === Infinity;
    const isOver = isResting
      ? connection.bytesRead > (this.#rows[row + WINDOW_MARK] as number)
      : now >= this.#windowEnd(row) || !connection.flowing;
    // Bytes that wait in the kernel count for the window that is over.
    if (isOver && (isResting || !this.#isSlow(connection, row, now))) {
      this.#beginWindow(row, connection, now);
    }
  }

  #beginWindow(row: number, { bytesRead }: DeadlineSubject, now: number): void {
    this.#rows[row + WINDOW_START] = now;
    this.#rows[row + WINDOW_MARK] = bytesRead;
  }

  #windowEnd(row: number): number {
    return (this.#rows[row + WINDOW_START] as number) + (this.#rows[row + WINDOW] as number);
  }

  /** When there is something to judge; Infinity for never. */
  #due(connection: DeadlineSubject, now: number): number {
    const row = connection.slot * COLUMNS;
    const idleMs = this.#rows[row + IDLE] as number;
    const writeMs = this.#rows[row + WRITE] as number;
    const lifetimeMs = this.#rows[row + LIFETIME] as number;
    let due = Infinity;
    const looked = this.#progress.lookedAt(connection.slot);
    if (idleMs > 0) {
      due = this.#loop.handledBy(connection.lastActivity) + idleMs;
      due = Math.max(due, looked + idleMs / LOOKS_PER_LIMIT);
    }
    if (writeMs > 0) {
      const since = this.#loop.handledBy(connection.waitingSince);
      due = Math.min(due, Math.max(since, looked) + writeMs / LOOKS_PER_LIMIT);
    }
    if (lifetimeMs > 0) due = Math.min(due, (this.#rows[row + BORN] as number) + lifetimeMs);
    if (!this.#hasRate(connection)) return due;
    // While nothing is owed: look whether a message has begun.
    const end = this.#windowEnd(row);
    return Math.min(due, end === Infinity ? now + (this.#rows[row + WINDOW] as number) : end);
  }

  #setLimit(connection: DeadlineSubject, column: number, limitMs: number): void {
    checkLimit('timeoutMs', limitMs);
    // First: it may replace the array.
    const row = this.#row(connection.slot);
    this.#rows[row + column] = limitMs;
    this.arm(connection);
  }

  #setRate(row: number, connection: DeadlineSubject, rate: ReadRate): void {
    const { bytesPerSecond, windowMs = DEFAULT_WINDOW_MS } = rate;
    this.#rows[row + WINDOW_BYTES] = (bytesPerSecond * windowMs) / 1_000;
    this.#rows[row + WINDOW] = windowMs;
    this.#beginWindow(row, connection, performance.now());
  }

  #has({ slot }: DeadlineSubject): boolean {
    return slot * COLUMNS < this.#rows.length;
  }

  #hasRate(connection: DeadlineSubject): boolean {
    if (!this.#has(connection)) return false;
    return (this.#rows[connection.slot * COLUMNS + WINDOW_BYTES] as number) > 0;
  }

  /** Where the row of `slot` begins. Memory for it is there after this. */
  #row(slot: number): number {
    const count = this.#rows.length / COLUMNS;
    if (slot >= count) {
      const rows = new Float64Array(Math.max(slot + 1, Math.ceil(count * 1.5)) * COLUMNS);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    return slot * COLUMNS;
  }
}

const deadlinesOfLoops = new WeakMap<EventLoop, ConnectionDeadlines>();

/** The deadlines of `loop`'s connections, made at the first use. */
export function deadlinesOf(loop: EventLoop): ConnectionDeadlines {
  let deadlines = deadlinesOfLoops.get(loop);
  if (deadlines === undefined) {
    deadlines = new ConnectionDeadlines(loop);
    deadlinesOfLoops.set(loop, deadlines);
  }
  return deadlines;
}

/** A limit in milliseconds: a number from 0 to {@link MAX_DELAY_MS}. */
export function checkLimit(name: string, value: unknown): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (value >= 0 && value <= MAX_DELAY_MS) return;
  throw outOfRange(name, `>= 0 and <= ${MAX_DELAY_MS}`, value);
}

/** Why a connection without any bytes for `idleMs` is cut; `limit` names what was set. */
export function idleError(idleMs: number, limit: string): SystemError {
  return timeoutError('read', `no bytes for ${idleMs} ms (${limit})`);
}

function timeoutError(syscall: string, reason: string): SystemError {
  return new SystemError(syscall, errno.ETIMEDOUT, { reason });
}
