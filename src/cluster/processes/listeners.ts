/** The sockets of a pool of processes: opened once, inherited or only reserved, closed once. */

import { adoptListener } from '../../net/server/inherited-listener';
import { boundAddress, listenSocket } from '../../net/server/listen-socket';
import { LOCALHOST, unwrapAt } from '../../net/socket/endpoint';
import { setSocketOption } from '../../net/socket/options';
import { encodeAddress } from '../../sys/address';
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_STREAM } from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { closeOnThrow, closeOrRedirectToNull, own } from '../../sys/ownership';
import { bind, socket } from '../../sys/socket';
import type { PreforkSettings } from './options';
import { FIRST_FD, type ListenerOptions } from './protocol';

type ListenSettings = PreforkSettings['listen'][number];

/** See the head of this file. */
export class Listeners {
  /** For the `stdio` of a process, from {@link FIRST_FD} on; empty if it opens its own. */
  readonly inherited: number[] = [];
  /** For the servers of a process. */
  readonly endpoints: ListenerOptions[] = [];
  /** The ports, -1 for a unix socket. */
  readonly ports: number[] = [];
  readonly #fds: number[] = [];

  /** Throws what {@link TcpServer} throws for an address that cannot be had; nothing is open then. */
  constructor({ listen, accept }: Pick<PreforkSettings, 'listen' | 'accept'>) {
    try {
      for (const settings of listen) {
        if (accept === 'reuseport') this.#reserve(settings);
        else this.#open(settings);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Those of the pool; the processes have theirs. */
  close(): void {
    for (const fd of this.#fds.splice(0)) closeOrRedirectToNull(fd);
  }

  #open(settings: ListenSettings): void {
    const fd = settings.fd === undefined ? listenSocket(listening(settings)) : adopt(settings.fd);
    this.#fds.push(fd);
    this.endpoints.push({ fd: FIRST_FD + this.inherited.length });
    this.inherited.push(fd);
    this.ports.push(portOf(fd));
  }

  /** The port is ours from now on, but this socket does not listen: no client gets into its backlog. */
  #reserve(settings: ListenSettings): void {
    const { backlog, ipv6Only } = settings;
    const host = settings.host === LOCALHOST ? '127.0.0.1' : settings.host;
    const family = host.includes(':') ? AF_INET6 : AF_INET;
    const where = { address: host, port: settings.port ?? 0 };
    const fd = own(unwrap(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket', where));
    closeOnThrow(fd, () => {
      setSocketOption(fd, 'reuseAddress', true);
      setSocketOption(fd, 'reusePort', true);
      if (family === AF_INET6) setSocketOption(fd, 'ipv6Only', ipv6Only);
      unwrapAt(bind(fd, encodeAddress(where)), 'bind', where);
    });
    this.#fds.push(fd);
    const { port } = boundAddress(fd);
    this.endpoints.push({ host, port, backlog, ipv6Only, reusePort: true });
    this.ports.push(port);
  }
}

function listening({ host, port = 0, backlog, ipv6Only }: ListenSettings) {
  const accepting = { noDelay: true, deferAcceptSeconds: 0, reusePort: false };
  return { host, port, backlog, ipv6Only, ...accepting };
}

function adopt(fd: number): number {
  adoptListener(fd);
  return own(fd);
}

function portOf(fd: number): number {
  try {
    return boundAddress(fd).port;
  } catch {
    return -1;
  }
}
