/**
 * The fds that one loop watches: the epoll set in the kernel, and the slots that map its events to
 * handlers. Only this file changes the two, and always together. slot-table.ts explains why an event
 * may have no owner.
 */
import { Epoll, type EventData } from '../epoll/epoll';
import type { EventList } from '../epoll/event-list';
import { formatEvents } from '../epoll/interest';
import * as constants from '../sys/constants';
import { epollCtl } from '../sys/epoll';
import { errno, SystemError } from '../sys/errno';
import type { DirectFds } from './direct-fds';
import type { EventHandler } from './registration';
import { type Slot, SlotTable } from './slot-table';

const { EBADF, EINVAL, ENOENT } = errno;
const { EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLL_CTL_DEL } = constants;

const FIXED_MASK = 'a mask with EPOLLEXCLUSIVE cannot be modified: remove and add the fd';

/** A handler whose registration has ended, and the reason. */
export type Revocation = [handler: EventHandler, reason: Error];

/** The fds of one loop. */
export class WatchSet {
  readonly slots = new SlotTable();
  /** Calls of epoll_ctl(2). */
  controls = 0;
  /** Null while there is none with EPOLLEXCLUSIVE: see direct-fds.ts. */
  direct: DirectFds | null = null;
  #epoll = new Epoll({ maxEvents: 1 });
  #looksAtDirect = false;
  /** Registrations that ended since the last wait. */
  #removals = 0;

  /** The epoll fd, or -1 once closed. Another one after {@link rebuild}. */
  get fd(): number {
    return this.#epoll.fd;
  }

  /**
   * Watch an fd. Returns its slot, and the former registration of the same fd number if there was
   * one: that fd was closed while it was watched. Throws as {@link Epoll.add} does, and then nothing
   * has changed.
   */
  add(slot: Slot): { data: EventData; former: Revocation | null } {
    const data = this.slots.take(slot);
    this.controls += 1;
    try {
      if (this.#isDirect(slot.events)) this.direct?.add(slot.fd, slot.events, data);
      else this.#epoll.add(slot.fd, slot.events, data);
    } catch (error) {
      this.slots.release(data);
      throw error;
    }
    const former = this.slots.confirm(data);
    if (former === null) return { data, former };
    this.#removals += 1;
    return { data, former: [former.handler, closedWhileWatched(former)] };
  }

  /** Replace the mask of an fd that is watched. */
  modify(fd: number, data: EventData, events: number): void {
    this.controls += 1;
    if (this.direct?.has(fd))
      throw new SystemError('epoll_ctl', EINVAL, { fd, reason: FIXED_MASK });
    this.#epoll.modify(fd, events, data);
    this.slots.setEvents(data, events);
  }

  /** Stop watching an fd. Returns whether it was watched. */
  remove(fd: number, data: EventData): boolean {
    if (!this.slots.release(data)) return false;
    this.#removals += 1;
    this.controls += 1;
    if (this.direct?.remove(fd)) return true;
    // ENOENT or EBADF: the fd was closed before. If a duplicate of it lives on, its events will
    // show up without an owner; see `hasOrphanedEntry`.
    const outcome = epollCtl(this.#epoll.fd, EPOLL_CTL_DEL, fd, null);
    if (outcome < 0 && outcome !== -ENOENT && outcome !== -EBADF) {
      throw new SystemError('epoll_ctl', outcome, { fd });
    }
    return true;
  }

  /** A turn begins: its first wait looks at {@link direct} too, and the others are spared that call. */
  beginTurn(): void {
    this.#looksAtDirect = this.direct !== null;
  }

  /** See {@link Epoll.waitInto}. */
  wait(list: EventList, timeoutMs: number): number {
    this.#removals = 0;
    const count = this.#epoll.waitInto(list, timeoutMs);
    if (!this.#looksAtDirect) return count;
    this.#looksAtDirect = false;
    return count + (this.direct?.appendTo(list) ?? 0);
  }

  /**
   * Whether `stale` events without an owner, out of one batch, prove that the kernel holds an
   * orphaned entry: there are more of them than removals since the wait. See slot-table.ts.
   */
  hasOrphanedEntry(stale: number): boolean {
    return stale > this.#removals;
  }

  /**
   * Drop orphaned entries: make a new epoll set with every registration. `announce` is called with
   * the new epoll fd while the old one is still open. Returns the registrations that the new set
   * refused, or null if there is no fd for a new set; the entry is then reported again, and a later
   * batch tries again.
   */
  rebuild(announce: (epollFd: number) => void): Revocation[] | null {
    const former = this.#epoll;
    try {
      this.#epoll = new Epoll({ maxEvents: 1 });
    } catch {
      return null;
    }
    const refused: Revocation[] = [];
    for (const { data, slot, spent } of [...this.slots.entries()]) {
      if (this.#isDirect(slot.events)) continue;
      this.controls += 1;
      try {
        // A one-shot that has fired stays disarmed: its flag without the events.
        this.#epoll.add(slot.fd, spent ? EPOLLONESHOT : slot.events, data);
      } catch (error) {
        this.slots.release(data);
        refused.push([slot.handler, error as Error]);
      }
    }
    announce(this.#epoll.fd);
    former.close();
    return refused;
  }

  /** Stop watching everything. Returns the handlers whose registrations end by this. */
  close(): EventHandler[] {
    const entries = [...this.slots.entries()];
    for (const { data } of entries) this.slots.release(data);
    this.#epoll.close();
    return entries.map(({ slot }) => slot.handler);
  }

  #isDirect(events: number): boolean {
    return this.direct !== null && (events & EPOLLEXCLUSIVE) !== 0;
  }
}

/** The reason for a handler whose fd was closed: the number was registered a second time. */
function closedWhileWatched({ fd, events }: Slot): SystemError {
  const reason = `fd ${fd} was closed while it was watched for ${formatEvents(events)}`;
  return new SystemError('epoll_ctl', EBADF, { reason, fd });
}
