/** The contenders of the suite `watch`: each watches fds in its own way and calls back. */
import { EventLoop, sys, watch } from '../../../src';
import { Epoll as CompatEpoll } from '../../../src/compat/epoll';

/** Called with the fd that is ready. */
export type OnReady = (fd: number) => void;

/** Watch `fds`, level-triggered, for reading. */
export type WatchFds = (fds: number[], onReady: OnReady) => void;

function ours(loop: EventLoop): WatchFds {
  return (fds, onReady) => {
    for (const fd of fds) watch(fd, { loop }).on('readable', () => onReady(fd));
  };
}

/** The package `epoll`, or our face of it. */
function epollPackage(Epoll: typeof CompatEpoll): WatchFds {
  return (fds, onReady) => {
    const epoll = new Epoll((_error, fd) => onReady(fd));
    for (const fd of fds) epoll.add(fd, Epoll.EPOLLIN);
  };
}

/** poll(2) over all of them, as often as Node's loop comes round. */
const poll: WatchFds = (fds, onReady) => {
  const list = new sys.PollList(fds.length);
  for (const [index, fd] of fds.entries()) list.set(index, fd, sys.constants.POLLIN);
  const turn = (): void => {
    let left = sys.unwrap(sys.poll(list.bytes, fds.length, 0), 'poll');
    for (let index = 0; left > 0; index += 1) {
      if (list.revents(index) === 0) continue;
      left -= 1;
      onReady(fds[index] as number);
    }
    setImmediate(turn);
  };
  turn();
};

/** The contender `name`; `addon:PATH` is the package `epoll` at a path. */
export function contender(name: string): WatchFds {
  if (name === 'ours') return ours(new EventLoop());
  if (name === 'ours, libuv') return ours(new EventLoop({ waiter: 'libuv' }));
  if (name === 'ours, compat') return epollPackage(CompatEpoll);
  if (name === 'poll') return poll;
  return epollPackage(require(name.replace('addon:', '')).Epoll);
}
