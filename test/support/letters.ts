/** A source for the tests of its base: each byte is a record, so one read may bring many. */
import { EventLoop } from '../../src/loop/event-loop';
import { F_DUPFD_CLOEXEC } from '../../src/sys/constants';
import { fcntl, read } from '../../src/sys/io';
import { FdSource, type FdSourceOptions } from '../../src/watch/fd-source';
import { closeNow, pair } from './fds';

const buffer = Buffer.alloc(64);

/** Takes over one end of a pair. */
export class Letters extends FdSource<'letter', string> {
  reads = 0;
  released = 0;

  constructor(fd: number, options: FdSourceOptions = {}) {
    let count = 0;
    const release = (): void => {
      count += 1;
      this.released = count;
    };
    super(fd, { ...options, event: 'letter', release });
  }

  protected override readOnce(fd: number): number {
    this.reads += 1;
    const outcome = read(fd, buffer);
    for (const letter of buffer.toString('latin1', 0, Math.max(outcome, 0))) this.deliver(letter);
    return outcome;
  }
}

const sources: FdSource<string, unknown>[] = [];
const loops: EventLoop[] = [];
afterEach(() => {
  for (const source of sources.splice(0)) source.close();
  for (const loop of loops.splice(0)) loop.close();
});

export function letters(options: FdSourceOptions = {}): { source: Letters; peer: number } {
  const [peer, other] = pair();
  const source = new Letters(fcntl(other, F_DUPFD_CLOEXEC, 0), options);
  closeNow(other);
  sources.push(source);
  return { source, peer };
}

/** What was told of the letters so far. */
export function record(source: Letters): string[] {
  const heard: string[] = [];
  source.on('letter', (letter) => heard.push(letter));
  return heard;
}

/** A loop of its own, whose counters nobody else moves. */
export function ownLoop(): EventLoop {
  const loop = new EventLoop();
  loops.push(loop);
  return loop;
}
