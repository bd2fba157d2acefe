/**
 * A listener that is one-shot in an epoll set which all reactors share.
 *
 * Each reactor watches that set in its own. When a client comes, all that sleep wake, and one of them gets
 * the event of the shared set; the listener is disarmed until that one has accepted and armed it again.
 * The pool arms it again when a reactor dies, which may have had it.
 */
import { Epoll } from '../../epoll/epoll';
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler, Registration } from '../../loop/registration';
import type { ListenerWatch } from '../../net/server/listener-watch';
import { EPOLLIN, EPOLLONESHOT } from '../../sys/constants';
import { SystemError } from '../../sys/errno';
import { closeOwned } from '../../sys/ownership';
import { duplicate } from '../duplicate';

const ARMED = EPOLLIN | EPOLLONESHOT;
const GONE = new Set(['EBADF', 'ENOENT']);

/** The pool's side: the set, with the listener in it. */
export function armShared(set: Epoll, listenerFd: number): void {
  set.modify(listenerFd, ARMED);
}

/** Watches for one reactor. */
export class SharedSetWatch implements ListenerWatch, EventHandler {
  readonly #listenerFd: number;
  readonly #set: Epoll;
  readonly #handler: EventHandler;
  readonly #registration: Registration;
  #state: 'open' | 'removed' = 'open';

  /** `listenerFd` is the number under which the pool has put the listener into the set. */
  constructor(
    listenerFd: number,
    { loop, setFd, handler }: { loop: EventLoop; setFd: number; handler: EventHandler },
  ) {
    this.#listenerFd = listenerFd;
    this.#handler = handler;
    const fd = duplicate(setFd);
    this.#set = Epoll.fromFd(fd, { maxEvents: 1 });
    try {
      this.#registration = loop.add(fd, EPOLLIN, this);
    } catch (error) {
      closeOwned(fd);
      throw error;
    }
  }

  get active(): boolean {
    return this.#state === 'open';
  }

  /** Something was ready in the shared set; another thread may have got it. */
  onEvents(): void {
    for (const { events } of this.#set.wait({ timeoutMs: 0 })) this.#handler.onEvents(events);
  }

  onRevoked(reason: Error): void {
    this.#handler.onRevoked(reason);
  }

  modify(events: number): void {
    if (this.#state !== 'open') return;
    try {
      this.#set.modify(this.#listenerFd, events === 0 ? 0 : ARMED);
    } catch (error) {
      // The pool stops, and has closed its fd: the servers take the clients that wait, without the set.
      if (!(error instanceof SystemError) || !GONE.has(error.code)) throw error;
    }
  }

  rearm(): void {
    this.modify(ARMED);
  }

  requeue(): void {
    this.rearm();
  }

  remove(): void {
    if (this.#state === 'removed') return;
    this.#state = 'removed';
    this.#registration.remove();
    this.#set.close();
  }

  ref(): void {
    this.#registration.ref();
  }

  unref(): void {
    this.#registration.unref();
  }
}
