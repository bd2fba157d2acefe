/** How the chunks of a stream get into its channel: a connection, or fds of another kind. */

import type { HeldRange } from '../../bytes/file-range';
import type { TcpConnection } from '../connection/connection';
import { type Chunk, gather, scratch, takePortion, takeRange } from './chunks';
import type { FdChannel } from './fd-channel';

/** What a stream's bytes go over. */
export type Channel = TcpConnection | FdChannel;

/** Called by a stream for a write that is done, or has failed. */
export type Callback = (error?: Error | null) => void;

/** Send chunks that are short together with one send(2), now. Returns false, with nothing sent, for others. */
export function sendShort(channel: Channel, chunks: readonly Chunk[], callback: Callback): boolean {
  // Only a connection can: to ask this costs less than `instanceof`, and is asked for each answer.
  if (!channel.canSendNow) return false;
  const length = gather(chunks);
  if (length > 0) (channel as TcpConnection).writeLent(scratch, length, callback);
  return length > 0;
}

/**
 * Write the first of `chunks`, the last one first, and take them out: a range of a file, or as many
 * bytes as may wait in the channel, whose limit is for those who write regardless. `callback` is
 * called when the kernel has them.
 */
export function sendPortion(channel: Channel, chunks: Buffer[], callback: Callback): void {
  const range = takeRange(chunks);
  if (range !== null) return sendRange(channel, range, callback);
  const portion = takePortion(chunks, channel.maxQueuedBytes);
  const last = portion.pop();
  if (last === undefined) return void process.nextTick(callback);
  channel.cork();
  for (const chunk of portion) channel.write(chunk);
  channel.write(last, callback);
  channel.uncork();
}

function sendRange(channel: Channel, range: HeldRange, callback: Callback): void {
  try {
    (channel as TcpConnection).sendFile(range.fd, range, callback);
  } catch (error) {
    // The file was closed too early: what follows must not take its place.
    channel.destroy(error as Error);
    callback(error as Error);
  }
}
