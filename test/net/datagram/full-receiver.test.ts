/** Senders whose receiver does not read. */
import { closeSync } from 'node:fs';
import { EventLoop } from '../../../src/loop/event-loop';
import * as c from '../../../src/sys/constants';
import { bind, recv, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { closeLater } from '../../support/fds';
import { next, until } from '../../support/until';
import { abstract, collect, open } from './rig';

expectNoFdLeaks();

describe('a full receiver', () => {
  test.each([
    ['send', 'connected'],
    ['send', 'addressed'],
    ['sendMany', 'connected'],
    ['sendMany', 'addressed'],
  ])(
    '%s to one that is %s: watched for room, or tried again by the clock, and no longer than that',
    async (way, how) => {
      const path = abstract();
      const loop = new EventLoop({ waiter: 'libuv' });
      const other = closeLater(socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0));
      bind(other, encodeUnixAddress({ path }));
      const one = open(
        how === 'connected' ? { connect: { path }, loop } : { family: 'unix', loop },
      );
      const to = how === 'connected' ? undefined : { path };
      const bytes = Buffer.from('x');
      const send = (): boolean =>
        way === 'send' ? one.send(bytes, to) : one.sendMany([to ? { bytes, to } : { bytes }]) === 1;
      const watchesRoom = (): boolean => ((watchedMask(loop, one.fd) as number) & c.EPOLLOUT) !== 0;
      while (send());
      expect([watchesRoom(), loop.timers.size]).toEqual(
        how === 'connected' ? [true, 0] : [false, 1],
      );
      const drained = next(one, 'drain');
      const sink = new Uint8Array(1);
      expect(recv(other, sink, 1, c.MSG_DONTWAIT)).toBe(1);
      await drained;
      expect([watchesRoom(), loop.timers.size]).toEqual([false, 0]);
      while (send());
      one.close();
      expect(loop.timers.size).toBe(0);
      loop.close();
    },
  );

  test.each(['connected', 'addressed'])('send says false, and drain follows: %s', async (way) => {
    const path = abstract();
    const other = open({ bind: { path } });
    const one = way === 'connected' ? open({ connect: { path } }) : open({ family: 'unix' });
    const to = way === 'connected' ? undefined : { path };
    let sent = 0;
    while (one.send('x', to)) sent += 1;
    expect(sent).toBeGreaterThan(0);
    let drains = 0;
    one.on('drain', () => {
      drains += 1;
    });
    const texts = collect(other);
    await until(() => drains > 0 && texts.length === sent);
    expect(one.send('y', to)).toBe(true);
    await until(() => texts.at(-1) === 'y');
  });

  test('a sender that goes on trying is told of room all the same', async () => {
    const path = abstract();
    // It never reads.
    const other = closeLater(socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0));
    bind(other, encodeUnixAddress({ path }));
    const one = open({ family: 'unix' });
    while (one.send('x', { path }));
    const drained = jest.fn();
    one.once('drain', drained);
    await until(() => {
      if (drained.mock.calls.length === 0) one.send('x', { path });
      return drained.mock.calls.length > 0;
    });
  });

  test('an addressed sender does not spin while the receiver does not read', async () => {
    const path = abstract();
    const loop = new EventLoop();
    const other = socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
    bind(other, encodeUnixAddress({ path }));
    const one = open({ family: 'unix', loop });
    while (one.send('x', { path }));
    let drains = 0;
    one.on('drain', () => {
      drains += 1;
      one.send('x', { path });
    });
    await until(() => drains >= 3);
    expect(loop.stats().turns).toBeLessThan(1_000);
    closeSync(other);
    loop.close();
    expect(one.closed).toBe(true);
  });
});
