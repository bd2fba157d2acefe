/**
 * A burst of connections, and a listener that accepts one of them for each event.
 *
 * Edge-triggered, only a new connection is an event. Ten that arrive at once are one event. A listener
 * that accepts once leaves nine in the queue, and no event reports them until an eleventh arrives. So
 * accept until EAGAIN. (Level-triggered, one by one is right too, only slower.)
 *
 *   run    npx ts-node examples/accept-burst.ts
 *   see    accept once: 1 of 10; another comes: 2 of 11; left in the queue: 9; drained: 10 of 10
 */
import { constants, Epoll, sys } from '../src';

const BURST = 10;
const { AF_UNIX, EPOLLET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
const STREAM = SOCK_STREAM | SOCK_CLOEXEC;

const opened: number[] = [];
/** A socket that is closed at the end. A unix socket, because its connections are queued at once. */
function socket(flags: number): number {
  const fd = sys.unwrap(sys.socket(AF_UNIX, STREAM | flags, 0), 'socket');
  opened.push(fd);
  return fd;
}

const address = sys.encodeUnixAddress({ path: `\0accept-burst-${process.pid}` });
const listener = socket(SOCK_NONBLOCK);
sys.unwrap(sys.bind(listener, address), 'bind');
sys.unwrap(sys.listen(listener, 64), 'listen');

/** `count` clients, whose connections are in the listener's queue when this returns. */
function connectClients(count: number): void {
  for (let index = 0; index < count; index += 1) {
    sys.unwrap(sys.connect(socket(0), address), 'connect');
  }
}

/** Take one connection from the queue; false if there is none. */
function acceptOne(): boolean {
  const fd = sys.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) opened.push(fd);
  return fd >= 0;
}

using epoll = new Epoll();
epoll.add(listener, (EPOLLIN | EPOLLET) >>> 0);

/** Call `accept` for each event. Returns the number of accepted connections. */
function accepted(accept: () => number): number {
  let total = 0;
  while (epoll.wait({ timeoutMs: 100 }).length > 0) total += accept();
  return total;
}

/** Accept until EAGAIN. */
function drain(): number {
  let count = 0;
  while (acceptOne()) count += 1;
  return count;
}

connectClients(BURST);
const once = accepted(() => Number(acceptOne()));
console.log(`accept once: ${once} of ${BURST}`);
connectClients(1);
console.log(`another comes: ${once + accepted(() => Number(acceptOne()))} of ${BURST + 1}`);
console.log(`left in the queue: ${drain()}`);
connectClients(BURST);
console.log(`drained: ${accepted(drain)} of ${BURST}`);
for (const fd of opened) sys.close(fd);
