/** A second fd for what `fd` is, which belongs to this thread alone. */
import { F_DUPFD_CLOEXEC } from '../sys/constants';
import { unwrap } from '../sys/errno';
import { fcntl } from '../sys/io';
import { own } from '../sys/ownership';

/** As fcntl(F_DUPFD_CLOEXEC). The caller closes it. Throws EMFILE, EBADF. */
export function duplicate(fd: number): number {
  return own(unwrap(fcntl(fd, F_DUPFD_CLOEXEC, LOWEST), 'fcntl', { fd }));
}

/** Not the number of stdin, stdout or stderr, if one of these is closed. */
const LOWEST = 3;
