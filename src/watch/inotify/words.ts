/** The events of inotify(7) in words: masks are built from them, and records carry them. */
import { z } from 'zod';
import { INT32_MIN, UINT32_MAX } from '../../base/check';
import * as constants from '../../sys/constants';

/** The events that can be watched for. */
export const FILE_EVENTS = {
  access: constants.IN_ACCESS,
  modify: constants.IN_MODIFY,
  attributes: constants.IN_ATTRIB,
  closeWrite: constants.IN_CLOSE_WRITE,
  closeRead: constants.IN_CLOSE_NOWRITE,
  open: constants.IN_OPEN,
  movedFrom: constants.IN_MOVED_FROM,
  movedTo: constants.IN_MOVED_TO,
  create: constants.IN_CREATE,
  delete: constants.IN_DELETE,
  deleteSelf: constants.IN_DELETE_SELF,
  moveSelf: constants.IN_MOVE_SELF,
} as const;

/**
 * An event of inotify(7). In a watched directory, something was `create`d, `delete`d, `movedFrom`
 * or `movedTo`; a file was `modify`ed or its `attributes` changed; it was closed after it had been
 * open for writing (`closeWrite`) or not (`closeRead`). The watched thing itself: `deleteSelf`,
 * `moveSelf`.
 */
export type FileEvent = keyof typeof FILE_EVENTS;

/** {@link FileEvent}, and the events that the kernel reports unasked. */
export type ChangeKind = FileEvent | 'unmount' | 'ignored';

const KINDS = new Map<number, ChangeKind>([
  ...Object.entries(FILE_EVENTS).map(([kind, flag]) => [flag, kind as FileEvent] as const),
  [constants.IN_UNMOUNT, 'unmount'],
  [constants.IN_IGNORED, 'ignored'],
]);

const { IN_ISDIR, IN_ACCESS, IN_CLOSE_NOWRITE, IN_OPEN } = constants;
const ALL = Object.values(FILE_EVENTS).reduce((mask, flag) => mask | flag, 0);

/** All but reading: IN_ACCESS, IN_OPEN, IN_CLOSE_NOWRITE. */
const CHANGES = ALL & ~(IN_ACCESS | IN_OPEN | IN_CLOSE_NOWRITE);

/** Words, or a mask. */
export const fileEventsField = z
  .union([
    // Signed or unsigned: IN_ONESHOT is bit 31.
    z
      .int()
      .min(INT32_MIN)
      .max(UINT32_MAX)
      .refine((mask) => mask !== 0, { error: 'expected one event at least' }),
    z.array(z.enum(Object.keys(FILE_EVENTS) as [FileEvent, ...FileEvent[]])).min(1),
  ])
  .default(CHANGES)
  .transform((events) => {
    if (typeof events === 'number') return events >>> 0;
    return events.reduce((mask, word) => mask | FILE_EVENTS[word], 0);
  });

/** The word for the event of a mask; null for an event that is not known here. */
export function kindOf(mask: number): ChangeKind | null {
  return KINDS.get((mask & ~IN_ISDIR) >>> 0) ?? null;
}
