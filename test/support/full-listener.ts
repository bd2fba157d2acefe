/** A port that answers nobody: listened at, with a full backlog, so that the kernel drops what comes. */

import { boundAddress } from '../../src/net/server/listen-socket';
import { encodeAddress } from '../../src/sys/address';
import * as c from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { bind, connect, listen, socket } from '../../src/sys/socket';
import { closeLater } from './fds';

const STREAM = c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;

/** The port of such a listener at 127.0.0.1; gone after the test. */
export function silentPort(): number {
  const fd = closeLater(unwrap(socket(c.AF_INET, STREAM, 0), 'socket'));
  unwrap(bind(fd, encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
  unwrap(listen(fd, 0), 'listen');
  const port = boundAddress(fd)?.port as number;
  // A backlog of 0 holds one connection; the others are for kernels that are more generous.
  for (let count = 0; count < 4; count += 1) {
    const peer = closeLater(unwrap(socket(c.AF_INET, STREAM, 0), 'socket'));
    connect(peer, encodeAddress({ address: '127.0.0.1', port }));
  }
  return port;
}
