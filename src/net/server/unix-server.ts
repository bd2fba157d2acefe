/**
 * A server on a stream socket of unix(7): as {@link TcpServer}, for clients on this machine. Its
 * connections are of the same class; they have no IP address, and {@link peerCredentials} tells who
 * their peer is.
 */
import { z } from 'zod';
import { INT32_MAX, refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { EventLoop } from '../../loop/event-loop';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { closeOnThrow, own } from '../../sys/ownership';
import { bind, listen, socket } from '../../sys/socket';
import { decodeUnixAddress, encodeUnixAddress } from '../../sys/unix-address';
import type { StreamConnection } from '../connection/connection';
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
export interface UnixServerOptions extends ConnectionOptions<StreamConnection> {
  /**
   * A path, of which the file is made now and removed when the listening ends; or, beginning with
   * NUL, an abstract name. Who may connect to a path, the rights of its file and folder say. Must be
   * given, or `fd`.
   */
  path?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /**
   * Instead of `path` and `backlog`: a socket that listens already, as from {@link listenFds} or
   * {@link receiveFds}. It is closed with the server; its file is left to whoever made it, unless
   * `removeFile`.
   */
  fd?: number;
  /**
   * With `fd`: remove the socket's file when the listening ends, as a server does which has made it.
   * For a successor, see {@link StreamServer.shutdown}. The file stays if the kernel does not confirm
   * that it is this socket's: because the socket was bound to a relative path in another working
   * directory, because another file is there by now, or for want of sock_diag(7). False if not given.
   */
  removeFile?: boolean;
  /**
   * Open connections, at most. Those beyond are accepted and closed at once, which tells the client;
   * see the event `drop`. No limit but that of fds if not given, or Infinity; a server that speaks
   * HTTP has one if not given.
   */
  maxConnections?: number;
  /** Open connections of one user's processes, at most, as {@link maxConnections}. */
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
   * and a {@link SystemError} with the path when it cannot be had: EADDRINUSE also for the file that
   * a server left behind which was killed; remove it if you know that nobody listens there. An `fd`
   * that is no listening unix socket is refused with EBADF, ENOTSOCK or EINVAL, and left open.
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

  /** Where the server listens. */
  get path(): string {
    return this.#path;
  }
}

/** A listening socket. */
interface Listener {
  fd: number;
  path: string;
  /** What we have made, and must remove. */
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
  return closeOnThrow(fd, () => {
    const file = SocketFile.make(path, () => unwrapAt(bind(fd, address), 'bind', { path }));
    const listenHere = (): void => unwrapAt(listen(fd, backlog), 'listen', { path });
    if (file === null) listenHere();
    else file.orRemove(listenHere);
    return { fd, path, file };
  });
}
