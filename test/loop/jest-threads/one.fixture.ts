/** A test file of a user's, in a worker of jest's; run by jest-threads.test.ts. */
import { isMainThread } from 'node:worker_threads';
import { EventFd, TcpServer } from '../../../src';
import { next } from '../../support/until';

test('the package works here', async () => {
  expect(isMainThread).toBe(false);
  const counter = new EventFd();
  counter.add(3);
  expect(await next(counter, 'count')).toEqual([3n]);
  counter.close();
  // Left open on purpose.
  new TcpServer({ port: 0 });
  new EventFd().on('count', () => {});
});
