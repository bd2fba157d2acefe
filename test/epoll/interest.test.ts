import { formatEvents, interestMask } from '../../src/epoll/interest';
import * as c from '../../src/sys/constants';

test('a mask is built from words, and is unsigned', () => {
  expect(interestMask({})).toBe(0);
  expect(interestMask({ readable: true, edge: true })).toBe(0x8000_0001);
  const all = {
    readable: true,
    writable: true,
    priority: true,
    peerClosed: true,
    edge: true,
    oneShot: true,
    exclusive: true,
  };
  const bits = [c.EPOLLIN, c.EPOLLOUT, c.EPOLLPRI, c.EPOLLRDHUP, c.EPOLLET, c.EPOLLONESHOT];
  const sum = [...bits, c.EPOLLEXCLUSIVE].reduce((mask, bit) => (mask | bit) >>> 0, 0);
  expect(interestMask(all)).toBe(sum);
  expect(interestMask({ ...all, edge: false, readable: undefined })).toBe(
    (sum & ~(c.EPOLLET | c.EPOLLIN)) >>> 0,
  );
});

test('a mask is printed in the words of the kernel', () => {
  expect(formatEvents(0)).toBe('0');
  expect(formatEvents(0x2001)).toBe('EPOLLIN|EPOLLRDHUP');
  expect(formatEvents(0x8000_0000)).toBe('EPOLLET');
  expect(formatEvents(c.EPOLLET | c.EPOLLONESHOT)).toBe('EPOLLONESHOT|EPOLLET');
  expect(formatEvents(0x0020_0004)).toBe('EPOLLOUT|0x200000');
});
