/** Streams on fds, and fds to be given away. */
import { fstatSync } from 'node:fs';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { F_DUPFD_CLOEXEC, O_CLOEXEC } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { pipe2 } from '../../../src/sys/fds';
import { fcntl } from '../../../src/sys/io';

/** A child or a worker that runs TypeScript takes seconds to start, and many on a busy machine. */
export const SLOW_MS = 120_000;
const streams: FdDuplex[] = [];

afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy();
});

/** A stream that is closed after the test. */
export function duplex(...args: ConstructorParameters<typeof FdDuplex>): FdDuplex {
  const stream = new FdDuplex(...args);
  streams.push(stream);
  return stream;
}

/** A copy of `fd` which nobody but the stream under test closes. */
export const copy = (fd: number): number => unwrap(fcntl(fd, F_DUPFD_CLOEXEC), 'fcntl');

/** Two blocking ends of a pipe, to be given away. */
export function pipe(): { reader: number; writer: number } {
  const fds = new Int32Array(2);
  unwrap(pipe2(fds, O_CLOEXEC), 'pipe2');
  return { reader: fds[0] as number, writer: fds[1] as number };
}

export function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** All that comes until the end. The stream may be written on. */
export async function textOf(stream: FdDuplex): Promise<string> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
  return text;
}
