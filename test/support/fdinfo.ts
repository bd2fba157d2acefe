/** What the kernel knows of our epoll sets, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import type { EventLoop } from '../../src/loop/event-loop';
import { ADDRESS_BYTES, decodeAddress } from '../../src/sys/address';
import { SO_ACCEPTCONN, SOL_SOCKET } from '../../src/sys/constants';
import { getsockname, getsockopt } from '../../src/sys/socket';

/** The mask with which the kernel has `fd` in the epoll set of `loop`; undefined if it has not. */
export function watchedMask(loop: EventLoop, fd: number): number | undefined {
  const info = readFileSync(`/proc/self/fdinfo/${loop.fd}`, 'utf8');
  const match = new RegExp(`^tfd:\\s+${fd} events:\\s+([0-9a-f]+)`, 'm').exec(info);
  return match === null ? undefined : Number.parseInt(match[1] as string, 16);
}

/** The fd that listens at `port` in this process. */
export function listenerFd(port: number): number {
  const value = new Int32Array(1);
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value) < 0 || value[0] === 0) continue;
    const bytes = new Uint8Array(ADDRESS_BYTES);
    getsockname(fd, bytes);
    if (decodeAddress(bytes)?.port === port) return fd;
  }
  throw new Error(`nobody listens at ${port}`);
}
