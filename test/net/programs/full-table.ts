/**
 * An echo server in a process whose fds can be used up; run by full-table.test.ts, also under
 * strace(1). Prints its port and every error of the server, and does what it is told on stdin:
 *
 *   fill      use up all fds; prints how many there were
 *   room N    give N of them back
 *   turns     print how many turns the loop has made
 *   stats     print how many are connected, and how many were turned away
 *
 * With the argument `endless`, a listener that rests does so for an hour.
 */
import { createInterface } from 'node:readline';
import { EventLoop } from '../../../src/loop/event-loop';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { EFD_CLOEXEC, RLIMIT_NOFILE } from '../../../src/sys/constants';
import type { SystemError } from '../../../src/sys/errno';
import { close, eventfd } from '../../../src/sys/io';
import { prlimit } from '../../../src/sys/resource-limit';

const HOUR_MS = 3_600_000;
const fillers: number[] = [];
// No thread of ours opens an fd when they are counted.
const loop = new EventLoop({ waiter: 'libuv' });
if (process.argv[2] === 'endless') {
  const schedule = loop.timers.schedule.bind(loop.timers);
  loop.timers.schedule = (timer) => schedule(timer, HOUR_MS);
}

const server = new TcpServer({
  port: 0,
  loop,
  handler: { onData: (connection, chunk) => void connection.write(chunk) },
});
server.on('error', (error) => console.log(`error ${(error as SystemError).code} ${error.message}`));
server.on('drop', ({ reason, remoteAddress }) => console.log(`drop ${reason} ${remoteAddress}`));

const commands: Record<string, (count: number) => string> = {
  fill() {
    prlimit(0, RLIMIT_NOFILE, { soft: 200, hard: 200 }, null);
    for (let fd = 0; fd >= 0; ) {
      fd = eventfd(0, EFD_CLOEXEC);
      if (fd >= 0) fillers.push(fd);
    }
    return `filled ${fillers.length}`;
  },
  room(count) {
    for (const fd of fillers.splice(0, count)) close(fd);
    return `room ${count}`;
  },
  turns: () => `turns ${loop.stats().turns}`,
  stats: () => `stats ${server.connections.size} ${server.dropped}`,
};

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [name = '', count] = line.split(' ');
  console.log(commands[name]?.(Number(count)));
});
lines.on('close', () => process.exit());
console.log(`port ${server.port}`);
