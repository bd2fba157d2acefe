/** A close with unread bytes is a reset, which may overtake an answer: a stream reads them first. */
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { undeliveredBytes } from '../../../src/net/socket/undelivered';
import { errno } from '../../../src/sys/errno';
import { read, write } from '../../../src/sys/io';
import { connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** What the client gets after it has sent `bytes` that nobody takes: the text, and how it ends. */
async function answerTo(bytes: number): Promise<[text: string, end: number]> {
  const { connection, fd } = await connectedFd();
  const stream = new FdDuplex(connection);
  expect(write(fd, Buffer.alloc(bytes), bytes)).toBe(bytes);
  // As much as a stream keeps for a reader, and some in the kernel.
  await until(() => connection.paused && undeliveredBytes(fd) === 0);
  const closed = next(stream, 'close');
  stream.write('no', () => stream.destroy());
  await closed;
  const chunk = Buffer.alloc(100);
  let text = '';
  let end = -errno.EAGAIN;
  await until(() => {
    end = read(fd, chunk);
    if (end > 0) text += chunk.toString('latin1', 0, end);
    return end <= 0 && end !== -errno.EAGAIN;
  });
  return [text, end];
}

test('the last words of a stream that has read nothing are followed by an end', async () => {
  for (let round = 0; round < 10; round += 1) expect(await answerTo(100_000)).toEqual(['no', 0]);
});
