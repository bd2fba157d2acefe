/**
 * The end of a server's connections within a deadline: each is asked to finish, and connections
 * still open at the deadline are destroyed. The protocols decide how to finish, see {@link
 * ConnectionHandler.onShutdown}.
 */
import { z } from 'zod';
import { shutdownDeadline } from '../../base/errors';
import type { EventLoop } from '../../loop/event-loop';
import { type TimerEntry, UNSCHEDULED } from '../../loop/timer-lists';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import type { StreamConnection } from '../connection/connection';

/** Options of {@link StreamServer.shutdown}. */
export interface ShutdownOptions {
  /** The time for the connections to end by themselves; 10,000 if not given. */
  deadlineMs?: number;
  /**
   * Another process has the listener and goes on with it. Clients in the backlog are left to that
   * process, and so is the file of a unix socket. False if not given.
   */
  handedOver?: boolean;
}

/** The result of {@link StreamServer.shutdown}. */
export interface ShutdownResult {
  /** Connections that ended before the deadline. */
  ended: number;
  /** Connections that were cut: by the deadline, or by `destroy`. */
  cut: number;
}

/** The fields of {@link ShutdownOptions}. */
export const shutdownOptionFields = {
  deadlineMs: z.number().min(0).max(MAX_DELAY_MS).default(10_000),
  handedOver: z.boolean().default(false),
};

/** One shutdown, of all open connections. */
export class ServerShutdown implements TimerEntry {
  /** For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  /** Resolved by {@link finish}. */
  readonly result: Promise<ShutdownResult>;
  readonly #loop: EventLoop;
  readonly #connections: ReadonlySet<StreamConnection>;
  #resolve: (result: ShutdownResult) => void = () => {};
  /** In the time of `performance.now()`. */
  #due = Infinity;
  #deadlineMs = Infinity;
  #gone = 0;
  #cut = 0;

  constructor(loop: EventLoop, connections: ReadonlySet<StreamConnection>) {
    this.#loop = loop;
    this.#connections = connections;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /**
   * There will be no more connections: ask the open ones to finish. Not at once but in the next
   * tick, because the caller may be a listener of one of them.
   */
  begin(): void {
    process.nextTick(() => {
      for (const connection of [...this.#connections]) connection.requestEnd();
    });
  }

  /** Destroy the connections still open after `deadlineMs`; the earlier of two deadlines counts. */
  limit(deadlineMs: number): void {
    const due = performance.now() + deadlineMs;
    if (due >= this.#due) return;
    this.#due = due;
    this.#deadlineMs = deadlineMs;
    this.#loop.timers.schedule(this, deadlineMs);
  }

  /** For the timer wheel: the deadline. */
  onTimer(): void {
    const error = shutdownDeadline(this.#deadlineMs);
    for (const connection of [...this.#connections]) {
      this.onCut(connection);
      connection.destroy(error);
    }
  }

  /** `connection` is about to be cut, unless the close of another has ended it. */
  onCut(connection: StreamConnection): void {
    if (!connection.closed) this.#cut += 1;
  }

  /** A connection is gone, for whatever reason. */
  onConnectionClose(): void {
    this.#gone += 1;
  }

  /** The last connection is gone. */
  finish(): void {
    this.#loop.timers.cancel(this);
    this.#resolve({ ended: this.#gone - this.#cut, cut: this.#cut });
  }
}
