/**
 * Calls everything the package exports with odd values, one argument at a time; run as a process of
 * its own by odd-values.test.ts. Prints as JSON what was accepted, and what threw an error that is not
 * ours: one without a `code`.
 */
import * as epollFfi from '../src';
import { ODD_VALUES } from './odd-units';

type Call = (odd: unknown) => unknown;

const { sys } = epollFfi;
const fd = sys.unwrap(sys.eventfd(0, sys.constants.EFD_NONBLOCK), 'eventfd');
const epoll = new epollFfi.Epoll();
const loop = new epollFfi.EventLoop();
const watcher = epollFfi.watch(fd).unref();
const handler = { onEvents: (): void => {}, onRevoked: (): void => {} };
const other = sys.unwrap(sys.eventfd(0, sys.constants.EFD_NONBLOCK), 'eventfd');
const registration = loop.add(other, 1, handler);
registration.unref();
const list = new epollFfi.EventList(1);
const pollList = new sys.PollList(1);
const set = new epollFfi.SharedSet();
const queue = new epollFfi.SharedQueue();
const leadership = new epollFfi.Leadership();
// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types forbid.
const any = (value: unknown): any => value;
const face = any(epollFfi);

/** By name: what is called with each odd value. A second name after a colon is the argument. */
const CALLS: Record<string, Call> = {
  'Epoll:options': (odd) => new epollFfi.Epoll(any(odd)),
  'Epoll:fd': (odd) => new epollFfi.Epoll({}, any(odd)),
  'Epoll.fromFd': (odd) => epollFfi.Epoll.fromFd(any(odd)),
  'Epoll.add:fd': (odd) => epoll.add(any(odd), 1),
  'Epoll.add:events': (odd) => epoll.add(fd, any(odd)),
  'Epoll.modify:events': (odd) => epoll.modify(fd, any(odd)),
  'Epoll.remove': (odd) => epoll.remove(any(odd)),
  'Epoll.wait': (odd) => epoll.wait(any(odd)),
  'Epoll.waitInto': (odd) => epoll.waitInto(any(odd), 0),
  'Epoll.busyPoll': (odd) => {
    epoll.busyPoll = any(odd);
  },
  'EventList:capacity': (odd) => new epollFfi.EventList(any(odd)),
  'EventList.events': (odd) => list.events(any(odd)),
  'EventList.fd': (odd) => list.fd(any(odd)),
  'EventList.low': (odd) => list.low(any(odd)),
  'EventList.high': (odd) => list.high(any(odd)),
  'EventList.data64': (odd) => list.data64(any(odd)),
  'EventList.length': (odd) => {
    list.length = any(odd);
  },
  'Waker.fromFd': (odd) => epollFfi.Waker.fromFd(any(odd)),
  formatEvents: (odd) => epollFfi.formatEvents(any(odd)),
  interestMask: (odd) => epollFfi.interestMask(any(odd)),
  'pollFds:interests': (odd) => epollFfi.pollFds(any(odd), { timeoutMs: 0 }),
  'pollFds:interest': (odd) => epollFfi.pollFds([any(odd)], { timeoutMs: 0 }),
  'pollFds:options': (odd) => epollFfi.pollFds([], any(odd)),
  selectFds: (odd) => epollFfi.selectFds(any(odd)),
  'selectFds:readable': (odd) => epollFfi.selectFds({ readable: any(odd), timeoutMs: 0 }),
  'selectFds:fd': (odd) => epollFfi.selectFds({ readable: [any(odd)], timeoutMs: 0 }),
  'PollList:capacity': (odd) => new sys.PollList(any(odd)),
  'PollList.fd': (odd) => pollList.fd(any(odd)),
  'PollList.events': (odd) => pollList.events(any(odd)),
  'PollList.revents': (odd) => pollList.revents(any(odd)),
  'PollList.set': (odd) => pollList.set(any(odd), 0, 0),
  'FdSet:fds': (odd) => new sys.FdSet(any(odd)),
  'FdSet.add': (odd) => new sys.FdSet().add(any(odd)),
  'SystemError:syscall': (odd) => new sys.SystemError(any(odd), -1),
  'SystemError:value': (odd) => new sys.SystemError('read', any(odd)),
  'SystemError:detail': (odd) =>
    new sys.SystemError('read', -1, typeof odd === 'object' ? any(null) : any(odd)),
  // A number that is no errno passes through.
  unwrap: (odd) => sys.unwrap(typeof odd === 'number' ? any('3') : any(odd), 'read'),
  errnoName: (odd) => sys.errnoName(any(odd)),
  errnoText: (odd) => sys.errnoText(any(odd)),
  'EventLoop:options': (odd) => new epollFfi.EventLoop(any(odd)),
  'EventLoop.add:fd': (odd) => loop.add(any(odd), 1, handler),
  'EventLoop.add:events': (odd) => loop.add(fd, any(odd), handler),
  'EventLoop.add:handler': (odd) => loop.add(fd, 1, any(odd)),
  'Registration.modify': (odd) => registration.modify(any(odd)),
  'Registration.requeue': (odd) => registration.requeue(any(odd)),
  'watch:fd': (odd) => epollFfi.watch(any(odd)),
  'watch:options': (odd) => epollFfi.watch(other, any(odd)),
  'FdWatcher.modify': (odd) => watcher.modify(any(odd)),
  'Inotify.add:path': (odd) => {
    using inotify = new epollFfi.Inotify();
    inotify.add(any(odd));
  },
  'Inotify.add:options': (odd) => {
    using inotify = new epollFfi.Inotify();
    inotify.add('.', any(odd));
  },
  'InotifyTree:path': (odd) => new epollFfi.InotifyTree(any(odd)),
  'PidFd:pid': (odd) => new epollFfi.PidFd(any(odd)),
  'RawMode:fd': (odd) => new epollFfi.RawMode(any(odd)),
  'SignalFd:signals': (odd) => new epollFfi.SignalFd(any(odd)),
  'FdReader:fd': (odd) => new epollFfi.FdReader(any(odd)),
  'FdWriter:fd': (odd) => new epollFfi.FdWriter(any(odd)),
  'TimerFd.set': (odd) => {
    using timer = new epollFfi.TimerFd();
    timer.set(any(odd));
  },
  execArgvFor: (odd) => epollFfi.execArgvFor(any(odd)),
  'Leadership:handle': (odd) => new epollFfi.Leadership(any(odd)),
  'Leadership.join:options': (odd) => leadership.join(any(odd)),
  'SharedQueue:handle': (odd) => new epollFfi.SharedQueue({}, any(odd)),
  'SharedQueue.push': (odd) => queue.push(any(odd)),
  'SharedQueue.take:options': (odd) => queue.take(any(odd)),
  'SharedSet:handle': (odd) => new epollFfi.SharedSet({}, any(odd)),
  'SharedSet.add:fd': (odd) => set.add(any(odd), 1),
  'SharedSet.add:events': (odd) => set.add(fd, any(odd)),
  'SharedSet.add:options': (odd) => set.add(fd, 1, any(odd)),
  'SharedSet.wait:options': (odd) => set.wait(any(odd)),
  'SharedSet.rearm': (odd) => set.rearm(any(odd)),
  'SharedSet.remove': (odd) => set.remove(any(odd)),
  'SharedSet.record': (odd) => set.record(any(odd)),
  'SharedSet.pickUp': (odd) => set.pickUp(any(odd)),
  connect: (odd) => epollFfi.connect(any(odd)),
  listenFds: (odd) => epollFfi.listenFds(any(odd)),
  'getSocketOption:fd': (odd) => epollFfi.getSocketOption(any(odd), 'error'),
  'getSocketOption:name': (odd) => epollFfi.getSocketOption(fd, any(odd)),
  'setSocketOption:value': (odd) => epollFfi.setSocketOption(fd, 'noDelay', any(odd)),
  peerCredentials: (odd) => epollFfi.peerCredentials(any(odd)),
  tcpInfo: (odd) => epollFfi.tcpInfo(any(odd)),
  'sendFds:fd': (odd) => epollFfi.sendFds(any(odd), [fd]),
  'sendFds:fds': (odd) => epollFfi.sendFds(fd, any(odd)),
  'receiveFds:fd': (odd) => epollFfi.receiveFds(any(odd)),
  'receiveFds:options': (odd) => epollFfi.receiveFds(fd, any(odd)),
  'FdDuplex:source': (odd) => new epollFfi.FdDuplex(any(odd)),
  serveFiles: (odd) => epollFfi.serveFiles(any(odd)),
  serveHttp: (odd) => face.serveHttp(odd),
  serveHttps: (odd) => face.serveHttps(odd, {}),
  'sendFile:response': (odd) => face.sendFile(odd, 'package.json'),
  'encodeFrame:opcode': (odd) => face.encodeFrame(odd, new Uint8Array(1)),
  'encodeFrame:payload': (odd) => face.encodeFrame(1, odd),
};

/** Classes whose constructor has one argument, the options. */
const CLASSES = [
  'DatagramSocket',
  'EventFd',
  'Inotify',
  'Pipe',
  'Prefork',
  'PressureMonitor',
  'Pty',
  'ReactorPool',
  'RouteMonitor',
  'SharedQueue',
  'SharedSet',
  'TaskScheduler',
  'TcpServer',
  'TimerFd',
  'UnixServer',
  'WebSocketServer',
];
for (const name of CLASSES) CALLS[`${name}:options`] = (odd) => new face[name](odd);

/** What takes no argument, is made by others, or has what a caller brings checked elsewhere. */
const NOT_CALLED = [
  'defaultLoop',
  'FdSource',
  'Reactor',
  'StreamConnection',
  'StreamServer',
  'TcpConnection',
  'TimerWheel',
  'WebSocketConnection',
  'WheelTimer',
  'FdWatcher',
];

/** What takes options: an object of any class that has none is as good as `{}`. */
const TAKES_OPTIONS =
  /:options$|^(Epoll\.wait|interestMask|selectFds|listenFds|TimerFd\.set|FdWatcher\.modify)$/;

/** Code of the caller's own: a listener; and iterators, which may throw what they like. */
const NOT_ODD: Record<string, string[]> = {
  'a Proxy of a function': ['watch:options'],
  'a Proxy of a view': ['FdSet:fds'],
  'a view in name alone': ['FdSet:fds'],
};

Error.stackTraceLimit = 0;
const found: string[] = [];

async function attempt(name: string, label: string, odd: unknown): Promise<void> {
  let made: unknown;
  try {
    made = await (CALLS[name] as Call)(odd);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string') found.push(`${name}(${label}) throws ${String(error)}`);
    return;
  }
  found.push(`${name}(${label}) is accepted`);
  (made as { close?: () => void } | undefined)?.close?.();
}

async function main(): Promise<void> {
  const called = new Set(Object.keys(CALLS).map((name) => name.split(/[.:]/)[0]));
  const exported = Object.keys(epollFfi).filter((name) => typeof face[name] === 'function');
  for (const name of exported) {
    if (!called.has(name) && !NOT_CALLED.includes(name)) found.push(`${name} is not called`);
  }
  for (const name of Object.keys(CALLS)) {
    for (const [label, odd] of Object.entries(ODD_VALUES)) {
      if (label === 'a view in name alone' && TAKES_OPTIONS.test(name)) continue;
      if (NOT_ODD[label]?.includes(name) === true) continue;
      await attempt(name, label, odd);
    }
  }
  console.log(JSON.stringify(found));
  process.exit(0);
}

void main();
