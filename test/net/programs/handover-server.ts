/**
 * One generation of a server; run by handover.test.ts.
 *
 *   handover-server.ts NAME CONTROL [PREDECESSOR | path]
 *
 * At its unix socket CONTROL it gives its listener to whoever connects, goes on until that one
 * serves, and then shuts down. PREDECESSOR is such a socket; `path` listens there; without either,
 * it listens at a free TCP port. Each client is told NAME once it has sent something.
 */
import { existsSync } from 'node:fs';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { receiveFds, sendFds } from '../../../src/net/socket/fd-passing';
import {
  AF_UNIX,
  SO_DOMAIN,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close, write } from '../../../src/sys/io';
import { connect, getsockopt, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';

const [, , name = '', controlPath = '', from] = process.argv;

/** A blocking channel to the predecessor, and the listener it gave. */
function takeOver(path: string): { channel: number; listener: number } {
  const channel = unwrap(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  unwrap(connect(channel, encodeUnixAddress({ path })), 'connect');
  const listener = receiveFds(channel)?.fds[0];
  if (listener === undefined) throw new Error('no listener came');
  return { channel, listener };
}

function isUnix(fd: number): boolean {
  const domain = new Int32Array(1);
  unwrap(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, domain), 'getsockopt');
  return domain[0] === AF_UNIX;
}

const predecessor = from !== undefined && existsSync(from) ? takeOver(from) : null;

function listen(): TcpServer | UnixServer {
  if (predecessor === null) {
    return from === undefined ? new TcpServer({ port: 0 }) : new UnixServer({ path: from });
  }
  const { listener: fd } = predecessor;
  return isUnix(fd) ? new UnixServer({ fd, removeFile: true }) : new TcpServer({ fd });
}

const server = listen();
server.on('connection', (connection) => {
  connection.on('data', () => connection.end(name));
  // Nothing to do: whoever has not asked yet will, and is ended with the answer.
  connection.on('shutdown', () => {});
});

const control = new UnixServer({ path: controlPath });
control.on('connection', (channel: TcpConnection) => {
  sendFds(channel.fd, [server.fd]);
  channel.on('data', () => void leave(true));
});

async function leave(handedOver: boolean): Promise<void> {
  control.destroy();
  const result = await server.shutdown({ deadlineMs: 60_000, handedOver });
  console.log(`ended ${JSON.stringify(result)}`);
}

process.once('SIGTERM', () => void leave(false));
if (predecessor !== null) {
  write(predecessor.channel, Buffer.from('serving'));
  close(predecessor.channel);
}
console.log(`serving ${server instanceof TcpServer ? server.port : server.path}`);
