/** A reactor that offers the service of its pool's data: `http` or `ws`, each at its listener; and sends fds. */
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Reactor } from '../../../src/cluster/reactors/reactor';
import { serveHttp } from '../../../src/http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../../src/sys/constants';
import { close, eventfd, read } from '../../../src/sys/io';
import { WebSocketServer } from '../../../src/ws';

export interface Services {
  service?: 'http' | 'ws';
  /** Whether `fd` is listened to. */
  takesFds?: boolean;
  /** Whether the number of each such fd is reported, too. */
  givesNumbers?: boolean;
}

export type Request =
  | 'exit'
  | 'timer'
  | 'file'
  | 'http'
  | { sendTo: number; count: number }
  | 'badFd';

export function start(reactor: Reactor<Services, Request>): void {
  const { index, listener, data } = reactor;
  if (data.service === 'http') {
    serveHttp(new TcpServer({ listener }), (request, response) => {
      response.end(`${index} ${request.url}`);
    });
  }
  if (data.service === 'ws') {
    const server = new WebSocketServer({ listener });
    server.on('connection', (socket) => {
      socket.on('message', (message) => void socket.send(`${index} ${message}`));
    });
  }
  if (data.takesFds) {
    reactor.on('fd', (fd, sent, from) => {
      const bytes = new Uint8Array(8);
      read(fd, bytes);
      closeSync(fd);
      reactor.postMessage(['fd', index, from, sent, bytes[0], ...(data.givesNumbers ? [fd] : [])]);
    });
  }
  reactor.on('message', (request) => {
    if (request === 'exit') process.exit(7);
    if (typeof request === 'object') sendFd(reactor, request);
    else void IO[request](reactor);
  });
}

/** An eventfd of `count`; reports whether it is closed here after it was sent, or what is thrown. */
function sendFd(reactor: Reactor, { sendTo, count }: { sendTo: number; count: number }): void {
  const fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
  try {
    reactor.sendFd(fd, { to: sendTo, data: { count } });
  } catch (error) {
    close(fd);
    reactor.postMessage(['refused', (error as NodeJS.ErrnoException).code]);
    return;
  }
  reactor.postMessage(['sent', isOpen(fd)]);
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

const IO: Record<Exclude<Request, 'exit' | object>, (reactor: Reactor) => unknown> = {
  timer: (reactor) => setTimeout(() => reactor.postMessage('timer'), 1),
  async file(reactor) {
    const text = await readFile(__filename, 'utf8');
    reactor.postMessage(text === readFileSync(__filename, 'utf8') ? 'file' : 'another file');
  },
  http(reactor) {
    const server = createServer((_request, response) => response.end('http'));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      get({ port, agent: false }, (response) => {
        response.on('data', (chunk) => reactor.postMessage(String(chunk)));
        response.on('end', () => server.close());
      });
    });
  },
  badFd(reactor) {
    try {
      reactor.sendFd(1_000_000, { to: 0 });
    } catch (error) {
      reactor.postMessage(['refused', (error as NodeJS.ErrnoException).code]);
    }
  },
};
