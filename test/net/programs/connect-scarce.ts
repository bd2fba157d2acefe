/**
 * Connects in a process that has hardly any fds; run by connect.test.ts under `ulimit -n`. Prints
 * the errors when there are none left, whether one more works when one is free again, and how many
 * more fds are open at the end than after the first connection.
 */
import { readdirSync } from 'node:fs';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import type { SystemError } from '../../../src/sys/errno';

const port = Number(process.argv[2]);
// A waiter thread, which takes its time to start, would need fds of its own when there are none.
const loop = new EventLoop({ waiter: 'libuv' });
const openFds = (): number => readdirSync('/proc/self/fd').length;

async function main(): Promise<void> {
  const first = await connect({ port, loop });
  const before = openFds();
  const open: TcpConnection[] = [];
  const codes = new Set<string>();
  for (let failures = 0; failures < 100; ) {
    try {
      open.push(await connect({ port, loop }));
    } catch (error) {
      const { code, syscall } = error as SystemError;
      codes.add(`${code} ${syscall}`);
      failures += 1;
    }
  }
  open.pop()?.destroy();
  const afterOne = await connect({ port, loop }).then(
    (connection) => {
      open.push(connection);
      return 'connected';
    },
    (error) => String(error),
  );
  for (const connection of open) connection.destroy();
  console.log(JSON.stringify({ codes: [...codes], afterOne, more: openFds() - before }));
  first.destroy();
}

void main();
