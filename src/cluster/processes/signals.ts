/**
 * The signals by which an operator, or a service manager, controls a pool of processes: SIGTERM and SIGINT
 * stop it, a second one kills it, SIGHUP reloads it.
 */

/** The actions that the signals ask for. */
export interface SignalHandler {
  onStop(): void;
  onKill(): void;
  onReload(): void;
}

/** See the head of this file. */
export class OperatorSignals {
  readonly #handler: SignalHandler;
  #asked = 0;
  readonly #onEnd = (): void => {
    this.#asked += 1;
    if (this.#asked === 1) this.#handler.onStop();
    else this.#handler.onKill();
  };
  readonly #onReload = (): void => this.#handler.onReload();

  constructor(handler: SignalHandler) {
    this.#handler = handler;
  }

  listen(): void {
    process.on('SIGTERM', this.#onEnd);
    process.on('SIGINT', this.#onEnd);
    process.on('SIGHUP', this.#onReload);
  }

  close(): void {
    process.off('SIGTERM', this.#onEnd);
    process.off('SIGINT', this.#onEnd);
    process.off('SIGHUP', this.#onReload);
  }
}
