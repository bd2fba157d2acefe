/**
 * Serves what was passed by LISTEN_FDS; run by listen-fds.test.ts. Prints what was passed, whether
 * it is close-on-exec and what is left of the environment; each connection is told a name and cut.
 */
import { listenFds } from '../../../src/net/server/listen-fds';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { AF_UNIX, F_GETFD, SO_DOMAIN, SOL_SOCKET } from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { getsockopt } from '../../../src/sys/socket';

try {
  const passed = listenFds({ unsetEnvironment: true });
  const flags = passed.map(({ fd }) => fcntl(fd, F_GETFD));
  const left = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'));
  console.log(`passed ${JSON.stringify({ passed, flags, left })}`);
  for (const { fd, name } of passed) {
    const domain = new Int32Array(1);
    // Not every fd that is passed is a socket.
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, domain) < 0) continue;
    if (!getSocketOption(fd, 'listening')) continue;
    const server = domain[0] === AF_UNIX ? new UnixServer({ fd }) : new TcpServer({ fd });
    server.on('connection', (connection) => connection.write(name, () => connection.destroy()));
  }
} catch (error) {
  console.log(`passed ${JSON.stringify(String(error))}`);
}
process.stdin.on('end', () => process.exit()).resume();
