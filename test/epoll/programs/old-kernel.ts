/**
 * Waits for fractions of a millisecond; run by wait-fallback.test.ts under strace, which takes
 * epoll_pwait2(2) away. Prints how long each wait took, in milliseconds.
 */
import { Epoll } from '../../../src/epoll/epoll';

using epoll = new Epoll();
const times = [0.2, 1.5, 2.1].map((timeoutMs) => {
  const start = performance.now();
  epoll.wait({ timeoutMs });
  return { timeoutMs, took: performance.now() - start };
});
console.log(JSON.stringify(times));
