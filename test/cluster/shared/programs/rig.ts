/** What threads of the tests do with a shared set: echo messages of 8 bytes, and count what is wrong. */
import type { SharedSet } from '../../../../src/cluster/shared/shared-set';
import { EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../../../src/sys/constants';
import { errno } from '../../../../src/sys/errno';
import { read, write } from '../../../../src/sys/io';
import { accept4 } from '../../../../src/sys/socket';

/** A message: the number of the connection, the number of the message. */
export const MESSAGE_BYTES = 8;

/** What a thread is given, and what it says at its end. */
export interface ThreadData {
  handle: { memory: SharedArrayBuffer };
  way: string;
  maxEvents: number;
  /** Words that all threads add to. */
  counters: Int32Array;
}

/** Words of `counters`. */
export const COUNTER = { served: 0, together: 1, mixed: 2, accepted: 3, refused: 4 };

/** Words of a socket's record. A bare record is a listener's. */
export const FIELD = { kind: 0, busy: 1, connection: 2, message: 3, partial: 4, bytes: 5 };
export const RECORD_BYTES = 32;
/** Values of `kind`. */
export const KIND = { listener: 1, socket: 2 };

const chunk = new Uint8Array(4096);
const SOCKET_RECORD = new Uint8Array(Int32Array.of(KIND.socket).buffer);

/** Accept all there is. */
export function acceptAll(set: SharedSet, listener: number, counters: Int32Array): void {
  for (;;) {
    const fd = accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    Atomics.add(counters, COUNTER.accepted, 1);
    set.add(fd, EPOLLIN, { record: SOCKET_RECORD });
  }
}

/**
 * Read what has come, and send each whole message back. The rest of a message stays in the record, for
 * the thread that gets the socket next. Returns false at the end of the connection.
 */
export function echo(set: SharedSet, slot: number, counters: Int32Array): boolean {
  const record = set.integers(slot);
  const bytes = set.record(slot).subarray(FIELD.bytes * 4);
  const fd = set.fdOf(slot);
  if (Atomics.compareExchange(record, FIELD.busy, 0, 1) !== 0) {
    Atomics.add(counters, COUNTER.together, 1);
  }
  let isOpen = true;
  for (;;) {
    const count = read(fd, chunk);
    if (count === -errno.EAGAIN) break;
    isOpen = count > 0;
    if (!isOpen) break;
    for (let index = 0; index < count; index += 1) {
      bytes[record[FIELD.partial] as number] = chunk[index] as number;
      record[FIELD.partial] = (record[FIELD.partial] as number) + 1;
      if (record[FIELD.partial] === MESSAGE_BYTES) answer(fd, record, bytes, counters);
    }
  }
  Atomics.store(record, FIELD.busy, 0);
  return isOpen;
}

function answer(fd: number, record: Int32Array, bytes: Uint8Array, counters: Int32Array): void {
  record[FIELD.partial] = 0;
  const message = new Int32Array(bytes.slice(0, MESSAGE_BYTES).buffer);
  const [connection, number] = [message[0] as number, message[1] as number];
  const isFirst = record[FIELD.message] === 0;
  if (isFirst) record[FIELD.connection] = connection;
  const isRight = record[FIELD.connection] === connection && record[FIELD.message] === number - 1;
  if (!isRight) Atomics.add(counters, COUNTER.mixed, 1);
  record[FIELD.message] = number;
  if (write(fd, bytes.subarray(0, MESSAGE_BYTES)) !== MESSAGE_BYTES) {
    Atomics.add(counters, COUNTER.refused, 1);
  }
  Atomics.add(counters, COUNTER.served, 1);
}
