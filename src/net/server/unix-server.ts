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
import { closeOnThrow } from '../../sys/ownership';
import { decodeUnixAddress } from '../../sys/unix-address';
import type { StreamConnection } from '../connection/connection';
import { type ConnectionOptions, connectionOptionFields } from '../connection/options';
import { SocketFile } from '../socket/socket-file';
import { ACCEPT_TRIGGERS, type AcceptTrigger } from './acceptor';
import { adoptListener, boundTo, inheritedFd, notWithFd } from './inherited-listener';
import { givenOf, maxConnectionsField } from './limits';
import { type Listener, listenerField, notWithListener } from './listener';
import { limitByUser } from './peer-limit';
import { StreamServer } from './stream-server';
import { type ListeningUnixSocket, listenUnixSocket } from './unix-listen-socket';

/** Options of {@link UnixServer}. */
export interface UnixServerOptions extends ConnectionOptions<StreamConnection> {
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
  /** Instead of `path`, `backlog` and `fd`: the {@link Reactor.listener} of a thread of a pool. */
  listener?: Listener;
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
  /** How the listener is watched: `'level'`, the default, `'edge'`, `'oneshot'` or `'exclusive'`. */
  acceptTrigger?: AcceptTrigger;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

const commonFields = {
  ...connectionOptionFields,
  maxConnections: maxConnectionsField,
  maxConnectionsPerUser: z.int().min(1).optional(),
  acceptTrigger: z.enum(ACCEPT_TRIGGERS).default('level'),
  loop: z.instanceof(EventLoop).optional(),
};

const absent = z.undefined().optional();
const optionsSchema = z.strictObject({
  ...commonFields,
  path: z.string().min(1),
  backlog: z.int().min(1).max(INT32_MAX).default(constants.SOMAXCONN),
  fd: absent,
  listener: absent,
  removeFile: z
    .undefined({ error: 'only with "fd": a file that is made here is removed always' })
    .optional(),
});
const inheritedSchema = z.strictObject({
  ...commonFields,
  path: notWithFd,
  backlog: notWithFd,
  fd: inheritedFd,
  listener: absent,
  removeFile: z.boolean().default(false),
});
const sharedSchema = z.strictObject({
  ...commonFields,
  path: notWithListener,
  backlog: notWithListener,
  fd: notWithListener,
  removeFile: notWithListener,
  listener: listenerField,
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
    const { opened, checked } = open(options);
    const { maxConnectionsPerUser: perUser, maxConnections, loop } = checked;
    const peerLimit = perUser === undefined ? null : limitByUser(perUser);
    const limits = { maxConnections, peerLimit, given: givenOf(options) };
    super(opened.fd, { ...checked, ...limits, loop, file: opened.file });
    this.#path = opened.path;
  }

  /** The name at which the server listens. */
  get path(): string {
    return this.#path;
  }
}

function open(options: UnixServerOptions) {
  if (options?.listener !== undefined) return shared(options);
  return options?.fd === undefined ? listening(options) : inherited(options);
}

function listening(options: UnixServerOptions) {
  const checked = parseOptions('UnixServer', optionsSchema, options);
  return { checked, opened: listenUnixSocket(checked) };
}

function inherited(options: UnixServerOptions) {
  const checked = parseOptions('UnixServer', inheritedSchema, options);
  const { fd, removeFile } = checked;
  adoptListener(fd);
  const { path } = boundTo(fd, { decode: decodeUnixAddress, wanted: 'a unix socket' });
  const opened: ListeningUnixSocket = {
    fd,
    path,
    file: removeFile ? SocketFile.find(path, fd) : null,
  };
  return { checked, opened };
}

/** The file of the socket belongs to the pool that made it. */
function shared(options: UnixServerOptions) {
  const checked = parseOptions('UnixServer', sharedSchema, options);
  const fd = checked.listener.open();
  return closeOnThrow(fd, () => {
    adoptListener(fd);
    const { path } = boundTo(fd, { decode: decodeUnixAddress, wanted: 'a unix socket' });
    return { checked, opened: { fd, path, file: null } as ListeningUnixSocket };
  });
}
