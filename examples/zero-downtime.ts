/**
 * A server that replaces itself without refusing a connection: on SIGHUP it starts its successor with
 * the same listening socket, goes on until the successor serves, finishes its own connections, and ends.
 *
 * The listener is passed as systemd's socket units pass theirs, so this also runs under one.
 *
 *   run    PORT=7011 npx ts-node examples/zero-downtime.ts
 *   then   while :; do echo "are you there?" | nc -N 127.0.0.1 7011; done
 *          and in a third terminal: kill -HUP, with the pid that the answers show; again, and again
 *   see    the pid changes, and not one answer is missing
 *   end    kill, with the pid that the answers show
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { listenFds, TcpServer } from '../src';

const [passed] = listenFds({ unsetEnvironment: true });
const server = new TcpServer(
  passed === undefined ? { port: Number(process.env['PORT'] ?? 7011) } : { fd: passed.fd },
);
server.on('connection', (connection) => {
  let isLast = false;
  connection.on('data', (line) => {
    connection.write(`${process.pid} has heard: ${line}`);
    if (isLast) connection.end();
  });
  // A client that has not asked yet may still ask: its question is on the way.
  connection.on('shutdown', () => {
    if (connection.bytesRead > 0) connection.end();
    else isLast = true;
  });
});
console.log(`${process.pid} is listening at ${server.address.address}:${server.port}`);

process.on('SIGHUP', replace);
process.once('SIGTERM', () => void leave(false));
process.once('SIGINT', () => void leave(false));
// Notify the predecessor, if there is one, that it may end.
process.send?.('serving');
process.disconnect?.();

/** Has the successor been started, so that a second SIGHUP waits for its end? */
let successor: ChildProcess | null = null;

function replace(): void {
  if (successor !== null) return;
  // The shell knows the pid that LISTEN_PID must name; exec keeps it.
  const become = ['-c', 'LISTEN_PID=$$ exec "$0" "$@"', process.execPath, ...process.execArgv];
  successor = spawn('sh', [...become, __filename], {
    env: { ...process.env, LISTEN_FDS: '1' },
    stdio: ['ignore', 'inherit', 'inherit', server.fd, 'ipc'],
  });
  successor.once('message', () => {
    successor?.unref();
    void leave(true);
  });
  // It has failed: this one has never stopped serving, and goes on.
  successor.once('exit', () => {
    successor = null;
  });
}

async function leave(handedOver: boolean): Promise<void> {
  process.removeAllListeners('SIGHUP');
  const { ended, cut } = await server.shutdown({ deadlineMs: 5_000, handedOver });
  console.log(`${process.pid} ends: ${ended} connections ended, ${cut} were cut`);
}
