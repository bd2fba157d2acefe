/** The flags of a listener, and of what it accepts. */
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { UnixServer } from '../../../src/net/server/unix-server';
import { F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK } from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { client } from '../../support/client';
import { serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next } from '../../support/until';

expectNoFdLeaks();

describe.each(['level', 'edge', 'oneshot'] as const)('%s-triggered', (acceptTrigger) => {
  test('the listener is non-blocking, and not for children', () => {
    const server = serve({ acceptTrigger });
    expect(fcntl(server.fd, F_GETFD)).toBe(FD_CLOEXEC);
    expect(fcntl(server.fd, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK);
    using unix = new UnixServer({ path: `\0epoll-ffi-${process.pid}`, acceptTrigger });
    expect(fcntl(unix.fd, F_GETFD)).toBe(FD_CLOEXEC);
    expect(fcntl(unix.fd, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK);
  });

  test('what is taken is non-blocking, and not for children', async () => {
    const server = serve({ acceptTrigger });
    const accepted = next<[TcpConnection]>(server, 'connection');
    await client(server.port);
    const [{ fd }] = await accepted;
    expect(fcntl(fd, F_GETFD)).toBe(FD_CLOEXEC);
    expect(fcntl(fd, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK);
  });
});
