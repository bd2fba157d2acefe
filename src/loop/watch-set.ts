/**
 * What one loop watches: the epoll set in the kernel, and the slots that say whom its events are for.
 * The two are changed together here and nowhere else.
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

/** A handler that is no longer watched for, and why. */
export type Revocation = [handler: EventHandler, reason: Error];

/** The fds of one loop. */
export class WatchSet {
  readonly slots = new SlotTable();
  /** Calls of epoll_ctl(2). */
  controls = 0;
  /** Null while there is none with EPOLLEXCLUSIVE: see direct-fds.ts. */
  direct: DirectFds | null = null;
  #epoll = new Epoll({ maxEvents: 1 });
  /** Registrations that ended since the last wait. */
  #removals = 0;

  /** The epoll fd, or -1 once closed. Another one after {@link rebuild}. */
  get fd(): number {
    return this.#epoll.fd;
  }

  /**
   * Watch an fd. Returns its place, and the holder of the same fd number if there was one: that fd
   * was closed behind our back. Throws what {@link Epoll.add} throws; then nothing has changed.
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
    return { data, former: [former.handler, closedBehindBack(former)] };
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
    // show up without an owner; see `hasGhost`.
    const outcome = epollCtl(this.#epoll.fd, EPOLL_CTL_DEL, fd, null);
    if (outcome < 0 && outcome !== -ENOENT && outcome !== -EBADF) {
      throw new SystemError('epoll_ctl', outcome, { fd });
    }
    return true;
  }

  /** See {@link Epoll.waitInto}. */
  wait(list: EventList, timeoutMs: number): number {
    this.#removals = 0;
    const count = this.#epoll.waitInto(list, timeoutMs);
    return this.direct === null ? count : count + this.direct.appendTo(list);
  }

  /**
   * Whether `stale` events without an owner, out of one batch, prove that the kernel holds an entry
   * that we cannot name.
   *
   * An event without an owner is normal when its registration was removed earlier in the batch; but
   * there can be no more of those than removals since the wait. One more, and an fd was closed
   * before it was removed, while a duplicate (dup(2), a fork, a message) keeps the open file alive.
   * See "Will closing a file descriptor cause it to be removed from all epoll interest lists?" in
   * epoll(7).
   */
  hasGhost(stale: number): boolean {
    return stale > this.#removals;
  }

  /**
   * Be rid of such entries in the one way there is: a new epoll set with all that is watched.
   * `announce` is told the new epoll fd while the old one is still open. Returns what could not be
   * taken over, or null if there are no fds for a new set; the entry will be reported again, and
   * there may be some then.
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

  /** Stop watching everything. Returns who was told until now. */
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

/** The reason given when an fd turns out to be closed: its number was registered a second time. */
function closedBehindBack({ fd, events }: Slot): SystemError {
  const reason = `fd ${fd} was closed while it was watched for ${formatEvents(events)}`;
  return new SystemError('epoll_ctl', EBADF, { reason, fd });
}
