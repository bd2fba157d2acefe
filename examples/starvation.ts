/**
 * Starvation under edge-triggered epoll, and why the ready list ends it.
 *
 * Edge-triggered, a socket must be read until EAGAIN. If its peer sends faster than it is read, it
 * never returns EAGAIN, and all others wait. The answer: keep a list of the sockets that are known to be
 * ready but not finished, read a bounded amount of each in turn, drop it from the list at EAGAIN.
 *
 *   run    npx ts-node examples/starvation.ts
 *   see    first the bug: 64 MiB of the endless stream are read, while nine pings, which were there
 *          from the start, wait without an answer; then our loop, where each ping is answered before
 *          the stream has had more than a few quanta of 256 KiB
 *
 * The stream is endless because this program refills it after each read: its sender is always as
 * fast as its reader, in every run and on every machine.
 */
import { constants, Epoll, type EventHandler, EventLoop, type Registration, sys } from '../src';

const PINGERS = 9;
const ROUNDS = 20;
const MIB = 1024 * 1024;
/** The naive reader is stopped here; it would never stop by itself. */
const ENOUGH_BYTES = 64 * MIB;
const QUANTUM_BYTES = 256 * 1024;

const { AF_UNIX, EPOLLET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
const EDGE = (EPOLLIN | EPOLLET) >>> 0;
const block = Buffer.alloc(64 * 1024, 'x');
const buffer = Buffer.alloc(64 * 1024);
const ping = Buffer.from('ping');

/** Both ends of a connection; what one of them sends is there when the call returns. */
function connection(): { peer: number; fd: number } {
  const pair = new Int32Array(2);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  sys.unwrap(sys.socketpair(AF_UNIX, type, 0, pair), 'socketpair');
  return { peer: pair[0] as number, fd: pair[1] as number };
}

/** A client that sends a ping in each round. */
interface Pinger {
  peer: number;
  fd: number;
  rounds: number;
}

const stream = connection();
const pingers: Pinger[] = Array.from({ length: PINGERS }, () => ({ ...connection(), rounds: 0 }));
let streamed = 0;

/** As much of the stream as one read gives; the sender is as fast. 0 at EAGAIN. */
function readStream(): number {
  const count = Math.max(sys.read(stream.fd, buffer), 0);
  while (sys.write(stream.peer, block) > 0);
  streamed += count;
  return count;
}

/** Answer one ping. */
function answer(pinger: Pinger): void {
  while (sys.read(pinger.fd, buffer) > 0);
  pinger.rounds += 1;
}

function sendPings(): void {
  while (sys.write(stream.peer, block) > 0);
  for (const { peer } of pingers) sys.write(peer, ping);
}

/** Read each fd until EAGAIN, in the order in which the kernel reports them. */
function theBug(): void {
  using epoll = new Epoll();
  for (const fd of [stream.fd, ...pingers.map((pinger) => pinger.fd)]) epoll.add(fd, EDGE);
  sendPings();
  const start = performance.now();
  for (const { fd } of epoll.wait({ timeoutMs: 1_000 })) {
    const pinger = pingers.find((one) => one.fd === fd);
    if (pinger !== undefined) answer(pinger);
    else while (streamed < ENOUGH_BYTES && readStream() > 0);
    if (pinger === undefined) {
      const answered = pingers.filter(({ rounds }) => rounds > 0).length;
      const ms = (performance.now() - start).toFixed(1);
      console.log(
        `until EAGAIN: ${streamed / MIB} MiB of the stream in ${ms} ms, ${answered} of ${PINGERS} pings answered`,
      );
    }
  }
}

/** The same sockets, edge-triggered too, on a loop with a ready list. */
function theReadyList(): void {
  const loop = new EventLoop();
  let sentAt = 0;
  let waited = 0;
  let mostBytes = 0;
  const latencies: number[] = [];
  const registrations: Registration[] = [];
  const watch = (fd: number, onEvents: EventHandler['onEvents']): Registration => {
    const registration = loop.add(fd, EDGE, { onEvents, onRevoked: () => {} });
    registrations.push(registration);
    return registration;
  };
  const ofStream = watch(stream.fd, (events) => {
    let taken = 0;
    let count = 1;
    while (count > 0 && taken < QUANTUM_BYTES) {
      count = readStream();
      taken += count;
    }
    // Not finished: on the list again, behind the others.
    if (count > 0) ofStream.requeue(events);
  });
  const round = (): void => {
    waited = PINGERS;
    streamed = 0;
    sentAt = performance.now();
    sendPings();
  };
  for (const pinger of pingers) {
    pinger.rounds = 0;
    watch(pinger.fd, () => {
      answer(pinger);
      mostBytes = Math.max(mostBytes, streamed);
      latencies.push(performance.now() - sentAt);
      waited -= 1;
      if (waited > 0) return;
      if (pinger.rounds < ROUNDS) return round();
      latencies.sort((a, b) => a - b);
      const median = (latencies[latencies.length >> 1] as number).toFixed(2);
      console.log(
        `with a ready list: ${latencies.length} of ${PINGERS * ROUNDS} pings answered, median ` +
          `${median} ms, each before ${mostBytes / MIB} MiB more of the stream`,
      );
      for (const registration of registrations) registration.remove();
      for (const { peer, fd } of [stream, ...pingers]) {
        sys.close(fd);
        sys.close(peer);
      }
      loop.close();
    });
  }
  round();
}

theBug();
theReadyList();
