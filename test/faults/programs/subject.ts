/**
 * A server that echoes, or sends this file to whom says `file`, and a client of others, in a process to which faults happen: under strace(1), or
 * stopped by a signal. Prints its port, every error of the server and the end of every connection,
 * and does what it is told on stdin:
 *
 *   stats         print connections, fds more than at the start, watched fds, timers
 *   connect PORT  connect, send a line, print the answer or the error
 *   wait          print how many events two precise waits of epoll find in a pipe that is ready
 *
 * Arguments: the waiter of the loop, the trigger of connections, the trigger of the listener.
 */
import { openSync, readdirSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Epoll } from '../../../src/epoll/epoll';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { EFD_CLOEXEC, EPOLLIN } from '../../../src/sys/constants';
import type { SystemError } from '../../../src/sys/errno';
import { close, eventfd } from '../../../src/sys/io';

type Options = [
  waiter?: 'thread' | 'libuv' | 'inline',
  trigger?: 'level' | 'edge',
  acceptTrigger?: 'level' | 'edge' | 'oneshot',
];

const [waiter = 'libuv', trigger = 'level', acceptTrigger = 'level'] = process.argv.slice(
  2,
) as Options;
// Commands come through Node's own loop, which an inline wait keeps waiting.
const loop = new EventLoop({ waiter, maxInlineWaitMs: 20 });
const options: TcpServerOptions = { port: 0, loop, trigger, acceptTrigger };
const server = new TcpServer(options);
server.on('error', (error) => console.log(`error ${(error as SystemError).code} ${error.message}`));
server.on('connection', (connection) => {
  connection.on('data', (chunk) => {
    if (chunk.toString() !== 'file') return void connection.write(chunk);
    const range = { offset: 0, length: statSync(__filename).size };
    connection.sendFile(file, range, (error) =>
      console.log(`sent ${(error as SystemError | undefined)?.code ?? 'whole'}`),
    );
  });
  connection.on('close', (error) => {
    const { code, syscall } = (error ?? { code: 'none' }) as SystemError;
    console.log(`close ${code} ${syscall ?? ''}`);
  });
});
process.on('uncaughtException', (error) => console.log(`uncaught ${error.message}`));

const file = openSync(__filename, 'r');
const openFds = (): number => readdirSync('/proc/self/fd').length;
let before = 0;

async function talkTo(port: number): Promise<string> {
  try {
    const connection = await connect({ port, loop });
    const answer = await new Promise<string>((resolve) => {
      connection.on('data', (chunk) => {
        resolve(`answer ${chunk}`);
        connection.destroy();
      });
      connection.on('close', (error) =>
        resolve(`lost ${(error as SystemError | undefined)?.code}`),
      );
      connection.write('hello');
    });
    return answer;
  } catch (error) {
    const { code, syscall } = error as SystemError;
    return `failed ${code} ${syscall}`;
  }
}

const commands: Record<string, (argument: number) => string | Promise<string>> = {
  stats() {
    const { watched, timers } = loop.stats();
    return `stats ${server.connections.size} ${openFds() - before} ${watched} ${timers}`;
  },
  connect: talkTo,
  wait() {
    using epoll = new Epoll();
    const fd = eventfd(1, EFD_CLOEXEC);
    epoll.add(fd, EPOLLIN);
    const counts = [0, 0].map(() => epoll.wait({ timeoutMs: 20.5 }).length);
    close(fd);
    return `waited ${counts.join(' ')}`;
  },
};

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const [name = '', argument] = line.split(' ');
  console.log(await commands[name]?.(Number(argument)));
});
lines.on('close', () => process.exit());
// What Node opens for stdin and stdout is there by the first answer.
setImmediate(() => {
  before = openFds();
  console.log(`port ${server.port}`);
});
