/** Errors of a datagram socket: each is reported once, and in one place. */

import { EventLoop } from '../../../src/loop/event-loop';
import type { DatagramSocket } from '../../../src/net/datagram/socket';
import { getSocketOption } from '../../../src/net/socket/options';
import { errno, type SystemError } from '../../../src/sys/errno';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { next, until } from '../../support/until';
import { abstract, collect, here, LOCAL, open } from './rig';

expectNoFdLeaks();

describe('errors', () => {
  test('a connected UDP socket is told that nobody is there, and goes on', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    await next(gone, 'close');
    const one = open({ connect: to });
    expect(one.remoteAddress).toEqual(to);
    const errors: Error[] = [];
    one.on('error', (error) => errors.push(error));
    one.send('is anybody there?');
    await until(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: 'ECONNREFUSED', fd: one.fd });
    // Told by the next call, if it comes before the loop's turn.
    one.send('again');
    one.send('and again');
    await until(() => errors.length >= 2);
    expect(one.closed).toBe(false);
    const back = open({ bind: to });
    const texts = collect(back);
    await until(() => {
      one.send('now?');
      return texts.length > 0;
    });
    expect(texts[0]).toBe('now?');
  });

  test.each(['send', 'sendMany'] as const)(
    '%s that meets the error of an earlier message sends, and tells of it after it',
    async (way) => {
      const gone = open();
      const to = here(gone);
      gone.close();
      const one = open({ connect: to });
      const errors: SystemError[] = [];
      one.on('error', (error) => errors.push(error as SystemError));
      const send = (): unknown =>
        way === 'send' ? one.send('x') : one.sendMany([{ bytes: Buffer.from('x') }]);
      // On this machine the answer to the first is there before the second.
      expect([send(), send(), errors]).toEqual([
        way === 'send' ? true : 1,
        way === 'send' ? true : 1,
        [],
      ]);
      await new Promise<void>((resolve) => process.nextTick(resolve));
      const syscall = 'sendto';
      expect(errors).toEqual([expect.objectContaining({ code: 'ECONNREFUSED', syscall })]);
      // The second was answered too, which is nobody's call.
      await until(() => errors.length === 2);
      expect(errors[1]).toMatchObject({ code: 'ECONNREFUSED' });
    },
  );

  test('an error that is thrown is not told as well', async () => {
    const one = open({ family: 'unix' });
    const told = jest.fn();
    one.on('error', told);
    const to = { path: '\0epoll-ffi-nobody' };
    expect(() => one.send('x', to)).toThrow('ECONNREFUSED');
    expect(() => one.sendMany([{ bytes: Buffer.from('x'), to }])).toThrow('ECONNREFUSED');
    await new Promise(setImmediate);
    expect(told).not.toHaveBeenCalled();
  });

  test('a listener of error may throw: the socket goes on, and so do the others', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const one = open({ connect: to });
    const uncaught = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    one.on('error', () => {
      throw new Error('mine');
    });
    one.send('x');
    one.send('x');
    await until(() => uncaught.mock.calls.length === 2);
    uncaught.mockRestore();
    expect([one.closed, one.send('x')]).toEqual([false, true]);
  });

  test('an error that was taken in the same batch is not told again', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const both = [open({ connect: to }), open({ connect: to })];
    const codes: (string | undefined)[] = [];
    for (const [index, one] of both.entries()) {
      one.on('error', (error) => {
        codes.push((error as NodeJS.ErrnoException).code);
        // The event of the other one is fetched already.
        expect(getSocketOption((both[1 - index] as DatagramSocket).fd, 'error')).toBe(
          errno.ECONNREFUSED,
        );
      });
      one.send('x');
    }
    await until(() => codes.length > 0);
    await marker();
    expect(codes).toEqual(['ECONNREFUSED']);
  });

  test('a listener of error may close the socket: what waits behind it is not told', async () => {
    const gone = open();
    const one = open({ connect: here(gone), bind: LOCAL });
    const texts = collect(one);
    const uncaught = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    const told = jest.fn(() => one.close());
    one.on('error', told);
    // In one turn, so that one event tells of both.
    gone.send('waits', here(one));
    gone.close();
    one.send('x');
    await next(one, 'close');
    await new Promise(setImmediate);
    expect([texts, told.mock.calls.length, uncaught.mock.calls]).toEqual([[], 1, []]);
    uncaught.mockRestore();
  });

  test('nobody need listen to it', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const one = open({ connect: to });
    one.send('lost');
    const other = open();
    const texts = collect(other);
    open().send('marker', here(other));
    await until(() => texts.length === 1);
    expect(one.closed).toBe(false);
  });

  test('no such unix socket is an exception', () => {
    const one = open({ family: 'unix' });
    expect(() => one.send('x', { path: '\0epoll-ffi-nobody' })).toThrow(
      expect.objectContaining({ code: 'ECONNREFUSED', syscall: 'sendto' }),
    );
    expect(() => one.send('x', { path: '/no/such/socket' })).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(() => open({ connect: { path: '/no/such/socket' } })).toThrow(
      expect.objectContaining({ code: 'ENOENT', syscall: 'connect', address: '/no/such/socket' }),
    );
  });

  test('an address that is taken is named', () => {
    const { port } = here(open());
    expect(() => open({ bind: { address: '127.0.0.1', port } })).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        syscall: 'bind',
        port,
        message: `bind EADDRINUSE: address already in use 127.0.0.1:${port}`,
      }),
    );
    const path = abstract();
    open({ bind: { path } });
    expect(() => open({ bind: { path } })).toThrow(
      `bind EADDRINUSE: address already in use @${path.slice(1)}`,
    );
  });

  test('wrong options and arguments are named', () => {
    expect(() => open({ bind: { address: '127.0.0.1' } as never })).toThrow(
      /option "bind" of DatagramSocket: expected an object with address and port/,
    );
    expect(() => open({ bind: { address: 'localhost', port: 0 } })).toThrow(RangeError);
    expect(() => open({ bind: { path: 'x'.repeat(108) } })).toThrow(RangeError);
    expect(() => open({ messagesPerCall: 0 })).toThrow(/option "messagesPerCall"/);
    expect(() => open({ family: 'IPv4', bind: { path: abstract() } })).toThrow(
      expect.objectContaining({ syscall: 'bind' }),
    );
    const one = open();
    expect(() => one.send(3 as never)).toThrow(TypeError);
    expect(() => one.send('x', { address: '1.2.3', port: 1 })).toThrow(RangeError);
    expect(() => one.send('x', 'somebody' as never)).toThrow(TypeError);
    expect(() => one.sendMany('x' as never)).toThrow(TypeError);
  });

  test('what a listener throws does not cost the others their messages', async () => {
    const [one, other] = [open(), open()];
    const texts: string[] = [];
    const loop = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    other.on('message', (bytes) => {
      texts.push(bytes.toString());
      if (texts.length === 1) throw new Error('mine');
    });
    one.sendMany(['a', 'b', 'c'].map((text) => ({ bytes: Buffer.from(text), to: here(other) })));
    await until(() => texts.length === 3);
    expect(loop).toHaveBeenCalledTimes(1);
    loop.mockRestore();
  });
});
