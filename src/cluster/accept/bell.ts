/** Wakes the reactor of a seat, from any thread: the pool's eventfd for that seat. */
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler, Registration } from '../../loop/registration';
import { EPOLLET, EPOLLIN } from '../../sys/constants';
import { closeOwned } from '../../sys/ownership';
import { duplicate } from '../duplicate';

/**
 * Heard by a reactor. The eventfd is never read, because two reactors share it while one replaces the
 * other: each write is an edge for both.
 */
export class Bell implements EventHandler {
  onRing: () => void = () => {};
  readonly #fd: number;
  readonly #registration: Registration;

  constructor(loop: EventLoop, bellFd: number) {
    this.#fd = duplicate(bellFd);
    this.#registration = loop.add(this.#fd, EPOLLIN | EPOLLET, this);
    this.#registration.unref();
  }

  onEvents(): void {
    this.onRing();
  }

  onRevoked(): void {
    this.close();
  }

  close(): void {
    this.#registration.remove();
    closeOwned(this.#fd);
  }
}
