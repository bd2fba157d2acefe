/** What is refused by a connection itself, and not by the kernel. */
import type { WriteCallback } from '../../bytes/write-queue';

/** What a write gets that came too late. */
export function closedError(): Error {
  return Object.assign(new Error('the connection is closed'), { code: 'ERR_CONNECTION_CLOSED' });
}

/** Refuse a write that came too late: its callback is called in the next tick. */
export function refuseWrite(callback: WriteCallback | undefined): false {
  if (callback !== undefined) process.nextTick(callback, closedError());
  return false;
}
