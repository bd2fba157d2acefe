/** What FdReader and FdDuplex take for the end, and what not. */
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import * as c from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { send, shutdown, socketpair } from '../../../src/sys/socket';
import {
  cfmakeraw,
  returnsAtOnce,
  TERMIOS_BYTES,
  tcgetattr,
  tcsetattr,
} from '../../../src/sys/termios';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { Pty } from '../../../src/watch/stream/pty';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow } from '../../support/fds';
import { until } from '../../support/until';

expectNoFdLeaks();

/** A terminal whose reads give 0 when nothing is there, as an earlier program left it. */
function impatientTerminal(pty: Pty): number {
  const slave = pty.openSlave();
  const modes = new Uint8Array(TERMIOS_BYTES);
  tcgetattr(slave, modes);
  cfmakeraw(modes);
  // VMIN is the byte that raw mode has made 1, and where 0 changes the verdict.
  for (let at = 16; at < TERMIOS_BYTES && !returnsAtOnce(modes); at += 1) {
    const was = modes[at] as number;
    modes[at] = 0;
    if (!returnsAtOnce(modes)) modes[at] = was;
  }
  unwrap(tcsetattr(slave, c.TCSANOW, modes), 'tcsetattr');
  return slave;
}

test('a terminal with VMIN=0 says 0 for nothing yet; its hang-up is the end', async () => {
  const pty = new Pty();
  const reader = new FdReader(impatientTerminal(pty));
  let text = '';
  reader.on('data', (chunk) => {
    text += chunk;
  });
  for (const word of ['one', 'two']) {
    pty.write(word);
    await until(() => reader.closed || text.endsWith(word));
  }
  expect([text, reader.closed]).toEqual(['onetwo', false]);
  pty.close();
  await until(() => reader.closed);
});

test('the same through FdDuplex', async () => {
  const pty = new Pty();
  const duplex = new FdDuplex(impatientTerminal(pty));
  let text = '';
  let ended = false;
  duplex.on('data', (chunk) => {
    text += chunk;
  });
  duplex.on('end', () => {
    ended = true;
  });
  duplex.on('error', () => {});
  for (const word of ['one', 'two']) {
    pty.write(word);
    await until(() => ended || text.endsWith(word));
  }
  expect([text, ended]).toEqual(['onetwo', false]);
  duplex.destroy();
  pty.close();
});

describe.each([
  ['datagram', c.SOCK_DGRAM],
  ['seqpacket', c.SOCK_SEQPACKET],
])('an empty message of a %s socket is skipped', (_, type) => {
  /** What is read here, and where it is written. */
  function sockets(): [number, number] {
    const fds = new Int32Array(2);
    unwrap(socketpair(c.AF_UNIX, type | c.SOCK_CLOEXEC, 0, fds), 'socketpair');
    return [fds[0] as number, closeLater(fds[1] as number)];
  }
  const say = (fd: number, ...texts: string[]): void => {
    for (const text of texts) unwrap(send(fd, Buffer.from(text), text.length, 0), 'send');
  };

  test('by FdReader', async () => {
    const [fd, there] = sockets();
    const reader = new FdReader(fd);
    const chunks: string[] = [];
    reader.on('data', (chunk) => chunks.push(String(chunk)));
    say(there, '', 'one', '', '', 'two', '');
    await until(() => reader.closed || chunks.length === 2);
    // Alone, with nothing behind it that shows there is more.
    say(there, '');
    await new Promise(setImmediate);
    say(there, 'three');
    await until(() => reader.closed || chunks.length === 3);
    expect([chunks, reader.closed]).toEqual([['one', 'two', 'three'], false]);
    // A unix datagram socket has no end: nobody knows who will send.
    if (type === c.SOCK_SEQPACKET) unwrap(shutdown(fd, c.SHUT_RD), 'shutdown');
    else reader.close();
    await until(() => reader.closed);
  });

  test('by FdDuplex', async () => {
    const [fd, there] = sockets();
    const duplex = new FdDuplex(fd);
    let text = '';
    let ended = false;
    duplex.on('data', (chunk) => {
      text += chunk;
    });
    duplex.on('end', () => {
      ended = true;
    });
    say(there, '', 'one', '', 'two');
    await until(() => ended || text === 'onetwo');
    expect([text, ended]).toEqual(['onetwo', false]);
    if (type === c.SOCK_SEQPACKET) {
      closeNow(there);
      await until(() => ended);
    }
    duplex.destroy();
  });
});
