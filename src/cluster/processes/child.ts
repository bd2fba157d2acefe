/**
 * One process of a pool, seen from the pool: started, online, asked to drain, gone. It is never used
 * again; the next process of the same place is another of these.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { extname, join } from 'node:path';
import { runtimeFor } from '../../base/script-thread';
import { notStarted, processModule } from '../errors';
import type { WorkerStats } from './options';
import {
  type Envelope,
  type FromChild,
  opened,
  SETUP_VARIABLE,
  type Setup,
  type ToChild,
} from './protocol';

/** From a deadline, at which the process itself cuts what is left, until it is killed. */
const GRACE_MS = 1_000;
/** A process that does not answer for so long has no statistics. */
const STATS_MS = 1_000;

/** How a process ended. */
export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** `starting`: `start` is not done. `draining`: it was asked to end. `gone`. */
export type ChildState = 'starting' | 'online' | 'draining' | 'gone';

/** How a process is started. */
export interface ChildSettings {
  setup: Setup;
  /** For its fds from 3 on. */
  inherited: readonly number[];
  env: NodeJS.ProcessEnv;
  startTimeoutMs: number;
  onMessage(value: unknown): void;
}

/** See the head of this file. */
export class Child {
  readonly index: number;
  /** Resolves when `start` is done; rejects if the process ends, or is killed, before. */
  readonly online: Promise<void>;
  readonly exit: Promise<ChildExit>;
  readonly #settings: ChildSettings;
  readonly #process: ChildProcess;
  readonly #startedAt = performance.now();
  #state: ChildState = 'starting';
  #isAsked = false;
  /** The error that it reported, if it did. */
  #failure: Error | null = null;
  #startTimer: NodeJS.Timeout | null = null;
  #killTimer: NodeJS.Timeout | null = null;
  #resolveOnline: () => void = () => {};
  readonly #asked = new Map<number, (stats: WorkerStats | null) => void>();
  #lastId = 0;

  /** Throws what child_process.fork(2) throws. */
  constructor(settings: ChildSettings) {
    this.#settings = settings;
    this.index = settings.setup.index;
    this.#process = startProcess(settings);
    this.exit = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => this.#onExit({ code, signal }, resolve));
      this.#process.on('error', (error) => {
        this.#failure ??= error;
        // It has not been started, and no other event comes.
        if (this.#process.pid === undefined) this.#onExit({ code: null, signal: null }, resolve);
      });
    });
    this.online = new Promise((resolve, reject) => {
      this.#resolveOnline = resolve;
      void this.exit.then((how) => reject(this.#failure ?? this.#notStarted(how)));
    });
    // Not everybody waits for it.
    this.online.catch(() => {});
    this.#process.on('message', (message) => this.#onMessage(opened<FromChild>(message)));
    this.#startTimer = setTimeout(() => this.#onLate(), settings.startTimeoutMs);
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get state(): ChildState {
    return this.#state;
  }

  /** Why it has ended, if it has said so. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Whether it was asked to end, or killed by the pool. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** How long it has lived. */
  get livedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Have it finish what it has begun; it is killed some time after the deadline. */
  stop(deadlineMs: number, isLast: boolean): Promise<ChildExit> {
    if (this.#state === 'starting') this.kill();
    if (this.#state === 'online') {
      this.#state = 'draining';
      this.#isAsked = true;
      this.#post({ type: 'stop', deadlineMs, isLast });
      this.#killTimer = setTimeout(() => this.kill(), deadlineMs + GRACE_MS);
    }
    return this.exit;
  }

  /** SIGKILL. */
  kill(): void {
    if (this.#state === 'gone') return;
    this.#state = 'draining';
    this.#isAsked = true;
    this.#process.kill('SIGKILL');
  }

  /** Returns false if it cannot be reached any more. */
  send(value: unknown): boolean {
    return this.#post({ type: 'message', value });
  }

  /** Null if it does not answer. */
  stats(): Promise<WorkerStats | null> {
    if (this.#state !== 'online' && this.#state !== 'draining') return Promise.resolve(null);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answer(id, null), STATS_MS);
      this.#asked.set(id, (stats) => {
        clearTimeout(timer);
        resolve(stats);
      });
      this.#post({ type: 'stats', id });
    });
  }

  #answer(id: number, stats: WorkerStats | null): void {
    this.#asked.get(id)?.(stats);
    this.#asked.delete(id);
  }

  #post(message: ToChild): boolean {
    if (!this.#process.connected) return false;
    const envelope: Envelope<ToChild> = { epollFfi: message };
    // The callback takes the error of a process that has just gone.
    this.#process.send(envelope, () => {});
    return true;
  }

  #onMessage(message: FromChild | null): void {
    switch (message?.type) {
      case 'online':
        if (this.#startTimer !== null) clearTimeout(this.#startTimer);
        if (this.#state === 'starting') this.#state = 'online';
        return this.#resolveOnline();
      case 'failed':
        this.#failure = processModule(this.#settings.setup.module, message.reason, message.stack);
        return;
      case 'stats':
        return this.#answer(message.id, message.stats);
      case 'message':
        return this.#settings.onMessage(message.value);
    }
  }

  #onLate(): void {
    const how = `it was killed after ${this.#settings.startTimeoutMs} ms (startTimeoutMs)`;
    this.#failure ??= notStarted(this.#settings.setup.module, how);
    this.#process.kill('SIGKILL');
  }

  #onExit(how: ChildExit, resolve: (how: ChildExit) => void): void {
    this.#state = 'gone';
    for (const timer of [this.#startTimer, this.#killTimer])
      if (timer !== null) clearTimeout(timer);
    for (const id of [...this.#asked.keys()]) this.#answer(id, null);
    resolve(how);
  }

  #notStarted({ code, signal }: ChildExit): Error {
    const how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
    return notStarted(this.#settings.setup.module, how);
  }
}

/** Beside this file stands the script, of the same kind: .js when built, .ts when not. */
function startProcess({ setup, inherited, env }: ChildSettings): ChildProcess {
  const script = join(__dirname, `child-script${extname(__filename)}`);
  const runtime = runtimeFor(script, setup.module);
  return fork(script, {
    execArgv: runtime.execArgv,
    env: { ...process.env, ...runtime.env, ...env, [SETUP_VARIABLE]: JSON.stringify(setup) },
    serialization: 'advanced',
    // Several processes cannot share what is typed.
    stdio: ['ignore', 'inherit', 'inherit', ...inherited, 'ipc'],
  });
}
