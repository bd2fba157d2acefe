/** Opens datagram sockets: made, set, bound and connected; or nothing is left behind. */
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { closeOnThrow, own as ownFd } from '../../sys/ownership';
import { bind, connect, socket } from '../../sys/socket';
import {
  type AddressFamily,
  encodeEndpoint,
  FAMILIES,
  familyOf,
  unwrapAt,
} from '../socket/endpoint';
import { setSocketOption } from '../socket/options';
import { SocketFile } from '../socket/socket-file';
import type { DatagramSettings } from './options';

const { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } = constants;

/** An open socket. */
export interface OpenSocket {
  fd: number;
  family: AddressFamily;
  /** The file to remove with it; null if it is not bound to a path. */
  file: SocketFile | null;
}

/** A non-blocking datagram socket. Throws as {@link DatagramSocket} does. */
export function openDatagramSocket(settings: DatagramSettings): OpenSocket {
  const { bind: own, connect: peer } = settings;
  const some = own ?? peer;
  const family = settings.family ?? (some === undefined ? 'IPv4' : familyOf(some));
  const ownBytes = own === undefined ? null : encodeEndpoint(own);
  const peerBytes = peer === undefined ? null : encodeEndpoint(peer);
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = ownFd(unwrap(socket(FAMILIES[family], type, 0), 'socket'));
  return closeOnThrow(fd, () => {
    setOptions(fd, family, settings);
    const bindHere = (): void => {
      if (own !== undefined) unwrapAt(bind(fd, ownBytes as Uint8Array), 'bind', own);
    };
    const path = own !== undefined && 'path' in own ? own.path : '';
    const file = SocketFile.make(path, bindHere);
    const connectTo = (): void => {
      if (peer !== undefined) unwrapAt(connect(fd, peerBytes as Uint8Array), 'connect', peer);
    };
    if (file === null) connectTo();
    else file.orRemove(connectTo);
    return { fd, family, file };
  });
}

function setOptions(fd: number, family: AddressFamily, settings: DatagramSettings): void {
  if (settings.reuseAddress) setSocketOption(fd, 'reuseAddress', true);
  if (settings.reusePort) setSocketOption(fd, 'reusePort', true);
  if (family === 'IPv6') setSocketOption(fd, 'ipv6Only', settings.ipv6Only);
}
