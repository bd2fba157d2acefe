/**
 * The three calls of epoll, and the server of the man page: epoll(7), "Example for suggested usage".
 *
 * No event loop, no emitter: one epoll set, and a thread that blocks in `wait`. A ready listener
 * means accept, set non-blocking, add with IN | ET; any other fd is used until EAGAIN.
 *
 *   run    PORT=7001 npx ts-node examples/three-calls.ts
 *   then   nc 127.0.0.1 7001, and type a line
 *   see    the line comes back in capitals; here, each ready fd with its events
 *   end    Ctrl-C
 */
import { constants, Epoll, formatEvents, sys } from '../src';

const { AF_INET, EPOLLET, EPOLLIN, EPOLLRDHUP, SOCK_CLOEXEC, SOCK_STREAM } = constants;
const address = process.env['HOST'] ?? '127.0.0.1';
const port = Number(process.env['PORT'] ?? 7001);

const listener = sys.unwrap(sys.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
const one = Int32Array.of(1);
sys.setsockopt(listener, constants.SOL_SOCKET, constants.SO_REUSEADDR, one);
sys.unwrap(sys.bind(listener, sys.encodeAddress({ address, port })), 'bind', { address, port });
sys.unwrap(sys.listen(listener, 128), 'listen');
sys.unwrap(sys.setNonBlocking(listener), 'fcntl');

const bound = new Uint8Array(sys.ADDRESS_BYTES);
sys.unwrap(sys.getsockname(listener, bound), 'getsockname');
console.log(`listening at ${address}:${sys.decodeAddress(bound)?.port}`);

const epoll = new Epoll();
epoll.add(listener, EPOLLIN);
const buffer = Buffer.alloc(4096);

for (;;) {
  for (const { fd, events } of epoll.wait()) {
    console.log(`fd ${fd}: ${formatEvents(events)}`);
    if (fd === listener) acceptAll();
    else useUntilEmpty(fd);
  }
}

function acceptAll(): void {
  for (;;) {
    const fd = sys.accept4(listener, SOCK_CLOEXEC);
    if (fd < 0) return;
    sys.setNonBlocking(fd);
    epoll.add(fd, (EPOLLIN | EPOLLRDHUP | EPOLLET) >>> 0);
  }
}

/** Edge-triggered: bytes left unread now are not reported again. */
function useUntilEmpty(fd: number): void {
  for (;;) {
    const count = sys.read(fd, buffer);
    if (count === -sys.errno.EAGAIN) return;
    if (count <= 0) return closeFd(fd);
    const answer = Buffer.from(buffer.toString('utf8', 0, count).toUpperCase());
    if (sys.send(fd, answer, answer.length, constants.MSG_NOSIGNAL) < 0) return closeFd(fd);
  }
}

function closeFd(fd: number): void {
  epoll.remove(fd);
  sys.close(fd);
}
