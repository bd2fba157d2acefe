/** Held open by a watched fd alone, and ends by itself when it is removed. See epoll.test.ts. */
import { Epoll } from '../../../src/compat/epoll';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../../src/sys/constants';
import { eventfd } from '../../../src/sys/io';

let told = 0;
const epoll = new Epoll((_error, fd) => {
  told += 1;
  console.log(`told ${told}`);
  if (told === 3) epoll.remove(fd);
});
epoll.add(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), Epoll.EPOLLIN);
