/** The options of a shared set, of a thread that opens one, and of an fd that is added. */
import { z } from 'zod';
import { checkBytes, checkOptions, invalidType, outOfRange } from '../../base/check';
import { MAX_SLOTS } from './slot-word';

/** Options of {@link SharedSet.open}. */
export interface OpenSharedSetOptions {
  /**
   * The most events one `wait` takes, 1 to 1,024; 16 if not given. With `oneshot` all of them are in
   * this thread's hands, so fewer spread better over the threads.
   */
  maxEvents?: number;
}

/** Options of the constructor of {@link SharedSet}. */
export interface SharedSetOptions extends OpenSharedSetOptions {
  /** How many fds the set can hold, 1 to 65,536; 1,024 if not given. */
  slots?: number;
  /** Bytes of a slot's record, 0 to 65,536, rounded up to a multiple of 8; 64 if not given. */
  recordBytes?: number;
  /**
   * EPOLLONESHOT for each fd: it is in one thread's hands until that thread re-arms it; true if not
   * given. If false, several threads may be given the same socket at the same time.
   */
  oneshot?: boolean;
}

const RECORD_ALIGNMENT = 8;
const MAX_MEMORY_BYTES = 2 ** 30;

const maxEvents = z.int().min(1).max(1024).default(16);

/** Schema of {@link OpenSharedSetOptions}. */
export const openSharedSetSchema = z.strictObject({ maxEvents });

/** Schema of {@link SharedSetOptions}. */
export const sharedSetSchema = z
  .strictObject({
    maxEvents,
    slots: z.int().min(1).max(MAX_SLOTS).default(1024),
    recordBytes: z
      .int()
      .min(0)
      .max(65_536)
      .default(64)
      .transform((bytes) => Math.ceil(bytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT),
    oneshot: z.boolean().default(true),
  })
  .refine(({ slots, recordBytes }) => slots * recordBytes <= MAX_MEMORY_BYTES, {
    path: ['recordBytes'],
    error: `expected slots * recordBytes to be at most ${MAX_MEMORY_BYTES} bytes`,
  });

/** Options of {@link SharedSet.add}. */
export interface AddOptions {
  /** The first bytes of the slot's record; zeros follow. */
  record?: Uint8Array;
  /**
   * If the thread that holds the slot ends, arm it again and do not close the fd: for a listener, of
   * which nothing is lost. False if not given.
   */
  outlivesHolder?: boolean;
}

const ADD_OPTIONS: readonly string[] = ['record', 'outlivesHolder'];

/** Checked by hand: connections are added too often for a schema. */
export function parseAddOptions(
  options: AddOptions,
  recordBytes: number,
): { record: Uint8Array | null; outlivesHolder: boolean } {
  checkOptions('SharedSet.add', options, ADD_OPTIONS);
  const { record = null, outlivesHolder = false } = options;
  if (typeof outlivesHolder !== 'boolean') {
    throw invalidType('options.outlivesHolder', 'a boolean', outlivesHolder);
  }
  if (record !== null) checkRecord(record, recordBytes);
  return { record, outlivesHolder };
}

function checkRecord(record: Uint8Array, recordBytes: number): void {
  checkBytes(record, 0, 'options.record');
  if (record.byteLength > recordBytes) {
    throw outOfRange('options.record.byteLength', `<= ${recordBytes}`, record.byteLength);
  }
}
