/** What FdReader and FdDuplex take for the end, and what not. */
import { FdDuplex } from '../../src/net/fd-duplex';
import * as c from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import {
  cfmakeraw,
  returnsAtOnce,
  TERMIOS_BYTES,
  tcgetattr,
  tcsetattr,
} from '../../src/sys/termios';
import { FdReader } from '../../src/watch/fd-reader';
import { Pty } from '../../src/watch/pty';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';

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
