/** `minReadRate`: when a peer that owes bytes is cut, and when not. */
import * as constants from '../../../src/sys/constants';
import { shutdown } from '../../../src/sys/socket';
import { block } from '../../support/block';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';
import { endOf, ends, opened, send } from './deadline-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

const { SHUT_WR } = constants;

describe('the read rate', () => {
  const minReadRate = { bytesPerSecond: 1_000, windowMs: 100 };

  test('a peer that owes bytes and sends too few is cut, a faster one not in this window', async () => {
    const fast = opened({ minReadRate });
    const slow = opened({ minReadRate });
    send(fast.peer, 100);
    send(slow.peer, 99);
    expect(await endOf(slow.connection)).toBe(
      'read ETIMEDOUT: 99 bytes in 100 ms, not 100 (minReadRate)',
    );
    expect(await endOf(fast.connection)).toBe(
      'read ETIMEDOUT: 0 bytes in 100 ms, not 100 (minReadRate)',
    );
    expect(ends.map(({ connection }) => connection)).toEqual([slow.connection, fast.connection]);
  });

  test('nobody is cut whom we do not read, or who has nothing more to say', async () => {
    const paused = opened({ minReadRate });
    const ended = opened({ minReadRate, allowHalfOpen: true });
    const resting = opened({ minReadRate });
    const rested = opened({ minReadRate: { bytesPerSecond: 1_000, windowMs: 100 } });
    const freed = opened({ minReadRate });
    paused.connection.pause();
    send(paused.peer, 1);
    resting.connection.expectBytes(false);
    // Neither the bytes of the last message nor a pause make it owe some.
    send(rested.peer, 5);
    await until(() => rested.connection.bytesRead === 5);
    rested.connection.expectBytes(false);
    rested.connection.pause();
    rested.connection.resume();
    freed.connection.setMinReadRate(null);
    shutdown(ended.peer, SHUT_WR);
    await next(ended.connection, 'end');
    // Three in turn are cut: by then the others have had their time, which began before.
    for (let round = 0; round < 3; round += 1) {
      expect(await endOf(opened({ minReadRate }).connection)).toContain('(minReadRate)');
    }
    expect(ends).toHaveLength(3);
    // Again it is the peer who owes.
    paused.connection.resume();
    resting.connection.expectBytes(true);
    expect(await endOf(paused.connection)).toContain('(minReadRate)');
    expect(await endOf(resting.connection)).toContain('0 bytes in 100 ms');
    expect([ended, freed, rested].map(({ connection }) => connection.closed)).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('who owes bytes does not owe them later for being told so again', async () => {
    const { connection } = opened({ minReadRate });
    await until(() => {
      connection.expectBytes(true);
      return connection.closed;
    }, 20_000);
    expect(await endOf(connection)).toContain('(minReadRate)');
  });

  test('after a whole message, the first byte of the next one begins to count', async () => {
    const { connection, peer } = opened({ minReadRate });
    connection.expectBytes(false);
    send(peer, 1);
    expect(await endOf(connection)).toContain('(minReadRate)');
    expect(connection.bytesRead).toBe(1);
  });

  test('bytes that this thread was too late to read count', async () => {
    const { connection, peer } = opened({ minReadRate });
    await new Promise(setImmediate);
    send(peer, 100);
    block(250);
    // Cut in the next window, for which nothing came.
    expect(await endOf(connection)).toContain('0 bytes in 100 ms');
    expect(connection.bytesRead).toBe(100);
  });
});
