/** A worker of epoll.test.ts: watches a counter of its own and says how often it was told. */
import { parentPort } from 'node:worker_threads';
import { Epoll } from '../../../src/compat/epoll';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../../src/sys/constants';
import { close, eventfd } from '../../../src/sys/io';

const TOLD = 100;
const fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
let told = 0;
const epoll = new Epoll(() => {
  told += 1;
  if (told < TOLD) return;
  epoll.close();
  close(fd);
  parentPort?.postMessage(told);
});
epoll.add(fd, Epoll.EPOLLIN);
// The main thread terminates us.
setInterval(() => {}, 1_000);
