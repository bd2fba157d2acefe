/**
 * Makes listening unix sockets, bound and listening, or nothing left behind; see unix(7). No accepting.
 */
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { closeOnThrow, own } from '../../sys/ownership';
import { bind, listen, socket } from '../../sys/socket';
import { encodeUnixAddress } from '../../sys/unix-address';
import { unwrapAt } from '../socket/endpoint';
import { SocketFile } from '../socket/socket-file';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** A listening unix socket. */
export interface ListeningUnixSocket {
  fd: number;
  path: string;
  /** The file that this class has made, and must remove. */
  file: SocketFile | null;
}

/** A non-blocking listening socket. Throws a {@link SystemError} with the path: EADDRINUSE, EACCES. */
export function listenUnixSocket({
  path,
  backlog,
}: {
  path: string;
  backlog: number;
}): ListeningUnixSocket {
  const address = encodeUnixAddress({ path });
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = own(unwrap(socket(AF_UNIX, type, 0), 'socket'));
  return closeOnThrow(fd, () => {
    const file = SocketFile.make(path, () => unwrapAt(bind(fd, address), 'bind', { path }));
    const listenHere = (): void => unwrapAt(listen(fd, backlog), 'listen', { path });
    if (file === null) listenHere();
    else file.orRemove(listenHere);
    return { fd, path, file };
  });
}
