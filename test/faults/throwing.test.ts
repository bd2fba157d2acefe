/** A listener that throws: its error is uncaught, once, and nothing else is lost by it. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('in every event of connections, servers and WebSockets', async () => {
  const child = runTs('test/faults/programs/throwing.ts');
  expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
  const { calls, uncaught, left } = JSON.parse(child.stdout);
  expect(uncaught).toEqual(calls);
  expect(left).toEqual([0, 0]);
  // Every one of them did throw: ten clients, one of which was reset.
  expect(calls).toEqual({
    ...{ connection: 10, data: 21, end: 9, drain: 1, callback: 1, error: 1, close: 10 },
    ...{ socket: 2, message: 2, ping: 1, pong: 1, 'socket error': 2, 'socket close': 2 },
    ...{ 'server close': 1, 'socket server close': 1 },
  });
}, 120_000);
