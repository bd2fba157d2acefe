/**
 * Handlers that the loop calls without an event of the kernel: the unfinished ones (the ready list,
 * served after each batch), and those that wait for the next turn.
 */
import type { EventHandler, Registration } from './registration';
import type { SlotTable } from './slot-table';

/** Registrations that wait to be served again. */
export class ReadyList {
  readonly #slots: SlotTable;
  readonly #deliver: (handler: EventHandler, events: number) => void;
  #ready: Registration[] = [];
  #later: Registration[] = [];
  /** Swapped with one of the two while that is served. */
  #serving: Registration[] = [];

  constructor(slots: SlotTable, deliver: (handler: EventHandler, events: number) => void) {
    this.#slots = slots;
    this.#deliver = deliver;
  }

  /** The number of registrations to serve after this batch. */
  get length(): number {
    return this.#ready.length;
  }

  /** Whether any wait for the next turn. */
  get hasLater(): boolean {
    return this.#later.length > 0;
  }

  /** Whether there is work that no event will announce. */
  get hasAny(): boolean {
    return this.#ready.length + this.#later.length > 0;
  }

  /** Serve `registration` again after the others. `events` are added to those noted for it. */
  add(registration: Registration, events: number): void {
    if (this.#slots.addPending(registration, events)) this.#ready.push(registration);
  }

  /** Serve `registration` in the next turn. */
  addLater(registration: Registration): void {
    this.#later.push(registration);
  }

  /** One round; a registration that is added meanwhile waits for the next one. */
  serve(): void {
    const serving = this.#ready;
    this.#ready = this.#serving;
    this.#serving = serving;
    for (const registration of serving) {
      const handler = this.#slots.dispatch(registration.low, registration.high);
      if (handler !== undefined) this.#deliver(handler, this.#slots.takePending(registration));
    }
    serving.length = 0;
  }

  /** A turn begins. A registration that was removed meanwhile has another generation by now. */
  serveLater(): void {
    const serving = this.#later;
    this.#later = this.#serving;
    this.#serving = serving;
    for (const registration of serving) {
      const handler = this.#slots.dispatch(registration.low, registration.high);
      if (handler !== undefined) this.#deliver(handler, 0);
    }
    serving.length = 0;
  }
}
