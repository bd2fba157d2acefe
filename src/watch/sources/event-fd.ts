/**
 * A counter in the kernel that any thread or process with the fd can add to: eventfd(2).
 *
 * Only the thread that made a source may use it; another thread adds through the number of the fd:
 * `sys.write(done.fd, new Uint8Array(BigUint64Array.of(1n).buffer))`. The counter carries a number
 * and no message: several additions may arrive as one event.
 */
import { z } from 'zod';
import { invalidType, outOfRange, UINT32_MAX } from '../../base/check';
import { parseOptions } from '../../base/options';
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { eventfd, read, write } from '../../sys/io';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';

const { EAGAIN } = errno;

/** Options of {@link EventFd}. */
export interface EventFdOptions extends FdSourceOptions {
  /** The first value of the counter, 0 to 2**32 - 1; 0 if not given. */
  initial?: number;
  /** EFD_SEMAPHORE: take 1 at a time instead of the whole count. */
  semaphore?: boolean;
}

const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  initial: z.int().min(0).max(UINT32_MAX).default(0),
  semaphore: z.boolean().default(false),
});

/** The maximum of the counter; one more would block. */
const MAX_COUNT = 0xffff_ffff_ffff_fffen;

const count = new BigUint64Array(1);
const bytes = new Uint8Array(count.buffer);

/**
 * An eventfd. The event `count` has the number taken from the counter: the sum of all additions
 * since the last event, or 1 with `semaphore`.
 */
export class EventFd extends FdSource<'count', bigint> {
  /** Throws EMFILE or ENFILE when there are no fds left, and a TypeError for a wrong option. */
  constructor(options: EventFdOptions = {}) {
    const settings = parseOptions('EventFd', optionsSchema, options);
    const flags = EFD_CLOEXEC | EFD_NONBLOCK | (settings.semaphore ? EFD_SEMAPHORE : 0);
    super(unwrap(eventfd(settings.initial, flags), 'eventfd'), { ...settings, event: 'count' });
  }

  /**
   * Add to the counter, 1 if not given. Returns false, and adds nothing, if the counter would grow
   * past 2**64 - 2. Does not block.
   */
  add(amount: number | bigint = 1): boolean {
    const isCount = typeof amount === 'bigint' || typeof amount === 'number';
    if (!isCount) throw invalidType('amount', 'a number or bigint', amount);
    if (amount < 0 || amount > MAX_COUNT || (typeof amount === 'number' && amount % 1 !== 0)) {
      throw outOfRange('amount', `an integer >= 0 and <= ${MAX_COUNT}`, amount);
    }
    count[0] = BigInt(amount);
    const fd = this.openFd('add');
    const outcome = write(fd, bytes);
    if (outcome === -EAGAIN) return false;
    unwrap(outcome, 'write', { fd });
    return true;
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, bytes);
    if (outcome > 0) this.deliver(count[0] as bigint);
    return outcome;
  }
}
