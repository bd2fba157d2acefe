/** Connections that another thread has accepted, as a server's source of connections. */
import type { AcceptHandler, ConnectionSource, SourceOptions } from '../../net/server/acceptor';
import { getpeername } from '../../sys/socket';

/** The setup of a {@link HandedSource}. */
export interface HandedSourceSetup {
  /** Have all that waits delivered now. */
  drain: () => void;
  onClose: () => void;
}

/** See the head of this file. There is no fd to watch, so nothing here rests or holds the thread. */
export class HandedSource implements ConnectionSource {
  readonly #handler: AcceptHandler;
  readonly #address: Uint8Array | null;
  readonly #setup: HandedSourceSetup;

  constructor({ handler, address = null }: SourceOptions, setup: HandedSourceSetup) {
    this.#handler = handler;
    this.#address = address;
    this.#setup = setup;
  }

  /** Returns true: `fd` has an owner now. */
  take(fd: number): true {
    if (this.#address !== null) getpeername(fd, this.#address);
    this.#handler.onAccept(fd);
    return true;
  }

  takeAll(): void {
    this.#setup.drain();
  }

  close(): void {
    this.#setup.onClose();
  }

  /** The connection that could not be opened is closed; others come when they come. */
  rest(): void {}
  onRoom(): void {}
  ref(): void {}
  unref(): void {}
}
