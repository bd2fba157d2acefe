/**
 * The tasks that wait: by priority, and one at a time of each key. No threads, no promises, no clock.
 *
 * A task is in one list at most, so it can be taken out at once: in the list of its priority if it may
 * start, or in the line of its key if others of that key are before it. A key is held by its first task
 * until {@link TaskQueue.release}; then the next one of the line may start.
 */
import { MAX_PRIORITY } from './options';

/** An entry of a queue; all its fields but the priority are the queue's own. */
export interface Queued<T extends Queued<T>> {
  readonly priority: number;
  line: KeyLine<T> | null;
  list: TaskList<T> | null;
  before: T | null;
  after: T | null;
}

/** Tasks in order. */
export class TaskList<T extends Queued<T>> {
  first: T | null = null;
  last: T | null = null;

  push(task: T): void {
    task.list = this;
    task.before = this.last;
    task.after = null;
    if (this.last === null) this.first = task;
    else this.last.after = task;
    this.last = task;
  }

  shift(): T | null {
    const { first } = this;
    if (first !== null) this.remove(first);
    return first;
  }

  /** `task` must be in this list. */
  remove(task: T): void {
    const { before, after } = task;
    if (before === null) this.first = after;
    else before.after = after;
    if (after === null) this.last = before;
    else after.before = before;
    task.list = null;
    task.before = null;
    task.after = null;
  }
}

/** The tasks of one key. */
export class KeyLine<T extends Queued<T>> {
  readonly key: unknown;
  /** The task that may run, or runs. */
  holder: T | null = null;
  /** Those behind it. */
  readonly waiting = new TaskList<T>();
  /** Called when the last task has gone. */
  onEmpty: (() => void) | null = null;

  constructor(key: unknown) {
    this.key = key;
  }
}

/** See the head of this file. */
export class TaskQueue<T extends Queued<T>> {
  /** How many tasks wait. */
  waiting = 0;
  readonly #ready = Array.from({ length: 2 * MAX_PRIORITY + 1 }, () => new TaskList<T>());
  readonly #lines = new Map<unknown, KeyLine<T>>();

  /** How many keys have tasks. */
  get keys(): number {
    return this.#lines.size;
  }

  lineOf(key: unknown): KeyLine<T> | undefined {
    return this.#lines.get(key);
  }

  /** A line for a key that has none. */
  open(key: unknown): KeyLine<T> {
    const line = new KeyLine<T>(key);
    this.#lines.set(key, line);
    return line;
  }

  /** Whether a task could start now, and so would start before one that is yet to come. */
  get hasReady(): boolean {
    return this.#ready.some((list) => list.first !== null);
  }

  add(task: T, line: KeyLine<T> | null): void {
    this.waiting += 1;
    task.line = line;
    if (line === null) return this.#listOf(task).push(task);
    if (line.holder !== null) return line.waiting.push(task);
    line.holder = task;
    this.#listOf(task).push(task);
  }

  /** The task to start next, which holds its key from now on; null if none may start. */
  take(): T | null {
    if (this.waiting === 0) return null;
    for (let index = this.#ready.length - 1; index >= 0; index -= 1) {
      const task = this.#ready[index]?.shift() ?? null;
      if (task === null) continue;
      this.waiting -= 1;
      return task;
    }
    return null;
  }

  /** Take out a task that waits. */
  remove(task: T): void {
    task.list?.remove(task);
    this.waiting -= 1;
    this.release(task);
  }

  /** `task` has ended, or waits no more: its key is the next one's. */
  release(task: T): void {
    const { line } = task;
    if (line?.holder !== task) return;
    const next = line.waiting.shift();
    line.holder = next;
    if (next !== null) return this.#listOf(next).push(next);
    this.#lines.delete(line.key);
    line.onEmpty?.();
  }

  /** All that wait. */
  *[Symbol.iterator](): Generator<T> {
    for (const list of this.#ready) {
      for (let task = list.first; task !== null; task = task.after) yield task;
    }
    for (const { waiting } of this.#lines.values()) {
      for (let task = waiting.first; task !== null; task = task.after) yield task;
    }
  }

  #listOf({ priority }: T): TaskList<T> {
    return this.#ready[priority + MAX_PRIORITY] as TaskList<T>;
  }
}
