/**
 * A server on a stream socket of unix(7): as {@link TcpServer}, for clients on this machine. Its
 * connections are of the same class; they have no IP address, and {@link peerCredentials}
 * identifies their peer.
 */
import { z } from 'zod';
import { INT32_MAX, refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { EventLoop } from '../../loop/event-loop';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { orClose, own } from '../../sys/ownership';
import { bind, listen, socket } from '../../sys/socket';
import { decodeUnixAddress, encodeUnixAddress } from '../../sys/unix-address';
import type { TcpConnection } from '../connection/connection';
import { type ConnectionOptions, connectionOptionFields } from '../connection/options';
import { unwrapAt } from '../socket/endpoint';
import { SocketFile } from '../socket/socket-file';
import type { AcceptTrigger } from './acceptor';
import { adoptListener, boundTo, inheritedFd, notWithFd } from './inherited-listener';
import { givenOf, maxConnectionsField } from './limits';
import { limitByUser } from './peer-limit';
import { StreamServer } from './stream-server';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** Options of {@link UnixServer}. */
export interface UnixServerOptions extends ConnectionOptions<TcpConnection> {
  /**
   * A path, where a file is made now and removed when the listening ends; or, beginning with NUL,
   * an abstract name. The rights of the file and its folder decide which users may connect.
   * Required, unless `fd` is given.
   */
  path?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /**
   * Instead of `path` and `backlog`: a socket that already listens, from {@link listenFds} or
   * {@link receiveFds}. It is closed with the server; its file is left to its maker, unless
   * `removeFile`.
   */
  fd?: number;
  /**
   * With `fd`: remove the socket's file when the listening ends, as the server that made it would.
   * For a successor, see {@link StreamServer.shutdown}. The file stays if the kernel does not
   * confirm that it is this socket's: because the socket was bound to a relative path in another
   * working directory, because another file is there by now, or for lack of sock_diag(7). False if
   * not given.
   */
  removeFile?: boolean;
  /**
   * The maximum of open connections. More are accepted and closed at once, so that the client
   * knows; see the event `drop`. If not given, or Infinity, only fds limit them; a server that
   * speaks HTTP has a default.
   */
  maxConnections?: number;
  /** The maximum of open connections of one user's processes, as {@link maxConnections}. */
  maxConnectionsPerUser?: number;
  /** How the listener is watched: `'level'`, the default, `'edge'` or `'oneshot'`. */
  acceptTrigger?: AcceptTrigger;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

const commonFields = {
  ...connectionOptionFields,
  maxConnections: maxConnectionsField,
  maxConnectionsPerUser: z.int().min(1).optional(),
  acceptTrigger: z.enum(['level', 'edge', 'oneshot']).default('level'),
  loop: z.instanceof(EventLoop).optional(),
};

const optionsSchema = z.strictObject({
  ...commonFields,
  path: z.string().min(1),
  backlog: z.int().min(1).max(INT32_MAX).default(constants.SOMAXCONN),
  fd: z.undefined().optional(),
  removeFile: z
    .undefined({ error: 'only with "fd": a file that is made here is removed always' })
    .optional(),
});
const inheritedSchema = z.strictObject({
  ...commonFields,
  path: notWithFd,
  backlog: notWithFd,
  fd: inheritedFd,
  removeFile: z.boolean().default(false),
});

/** Listens at one path or abstract name. */
export class UnixServer extends StreamServer {
  readonly #path: string;

  /**
   * Listen. Throws a TypeError that names a wrong option, a RangeError for a path that is too long,
   * and a {@link SystemError} with the path if it cannot be bound: EADDRINUSE also for the file
   * that a killed server left behind; remove it if you know that no server listens there. An `fd`
   * that is not a listening unix socket is refused with EBADF, ENOTSOCK or EINVAL, and left open.
   */
  constructor(options: UnixServerOptions, noCallback?: never) {
    refuseExtra('new UnixServer', noCallback, 'listen to "connection"; it listens already');
    const { listener, checked } =
      options?.fd === undefined ? listening(options) : inherited(options);
    const { maxConnectionsPerUser: perUser, maxConnections, loop } = checked;
    const peerLimit = perUser === undefined ? null : limitByUser(perUser);
    const limits = { maxConnections, peerLimit, given: givenOf(options) };
    super(listener.fd, { ...checked, ...limits, loop, file: listener.file });
    this.#path = listener.path;
  }

  /** The name at which the server listens. */
  get path(): string {
    return this.#path;
  }
}

/** A listening socket. */
interface Listener {
  fd: number;
  path: string;
  /** The file that we have made, and must remove. */
  file: SocketFile | null;
}

function listening(options: UnixServerOptions) {
  const checked = parseOptions('UnixServer', optionsSchema, options);
  return { checked, listener: listenAt(checked) };
}

function inherited(options: UnixServerOptions) {
  const checked = parseOptions('UnixServer', inheritedSchema, options);
  const { fd, removeFile } = checked;
  adoptListener(fd);
  const { path } = boundTo(fd, { decode: decodeUnixAddress, wanted: 'a unix socket' });
  const listener: Listener = { fd, path, file: removeFile ? SocketFile.find(path, fd) : null };
  return { checked, listener };
}

function listenAt({ path, backlog }: { path: string; backlog: number }): Listener {
  const address = encodeUnixAddress({ path });
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = own(unwrap(socket(AF_UNIX, type, 0), 'socket'));
  return orClose(fd, () => {
    const file = SocketFile.make(path, () => unwrapAt(bind(fd, address), 'bind', { path }));
    const listenHere = (): void => unwrapAt(listen(fd, backlog), 'listen', { path });
    if (file === null) listenHere();
    else file.orRemove(listenHere);
    return { fd, path, file };
  });
}
