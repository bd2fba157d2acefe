/** Errors that the connection itself reports, not the kernel. */
import { connectionClosed } from '../../base/errors';
import type { WriteCallback } from '../../bytes/write-queue';

/** The error of a write that came too late. */
export function closedError(): Error {
  return connectionClosed();
}

/** Refuse a write that came too late: its callback is called in the next tick. */
export function refuseWrite(callback: WriteCallback | undefined): false {
  if (callback !== undefined) process.nextTick(callback, closedError());
  return false;
}
