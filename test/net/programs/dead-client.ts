/**
 * Writes to clients that are dead; run by socket-lore.test.ts. SIGPIPE would end the process at the
 * first of these calls. With the argument `worker` in a worker thread. Prints the outcomes.
 */
import { isMainThread, Worker } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import { TcpServer } from '../../../src/net/server/tcp-server';
import * as c from '../../../src/sys/constants';
import { errnoName, type SystemError } from '../../../src/sys/errno';
import { close, write } from '../../../src/sys/io';
import { send, socketpair } from '../../../src/sys/socket';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';

/** What writing to a socket without a peer gives. */
function toDeadPeer(call: (fd: number, bytes: Buffer) => number): string {
  const pair = new Int32Array(2);
  socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0, pair);
  close(pair[1] as number);
  const outcome = call(pair[0] as number, Buffer.from('anybody?'));
  close(pair[0] as number);
  return errnoName(outcome);
}

/** What a connection is told whose client cuts it while it writes on. */
async function toDeadClient(): Promise<string> {
  const loop = new EventLoop();
  const server = new TcpServer({ port: 0, loop, allowHalfOpen: true });
  const told = new Promise<string>((resolve) => {
    server.on('connection', (connection) => {
      const writing = setInterval(() => connection.write('anybody?'), 1);
      connection.on('close', (error) => {
        clearInterval(writing);
        resolve((error as SystemError | undefined)?.code ?? 'none');
      });
    });
  });
  const client = await connect({ port: server.port, loop });
  client.destroy();
  const code = await told;
  server.destroy();
  loop.close();
  return code;
}

async function main(): Promise<void> {
  const outcomes = [
    toDeadPeer(write),
    toDeadPeer((fd, bytes) => send(fd, bytes, bytes.length, 0)),
    toDeadPeer((fd, bytes) => send(fd, bytes, bytes.length, c.MSG_NOSIGNAL)),
    await toDeadClient(),
  ];
  console.log(outcomes.join(' '));
}

if (isMainThread && process.argv[2] === 'worker') {
  new Worker(__filename, { execArgv: [...RUNS_TYPESCRIPT] });
} else {
  void main();
}
