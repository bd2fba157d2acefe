/** An Epoll for each test. */
import { Epoll } from '../../src/epoll/epoll';

export let epoll: Epoll;

beforeEach(() => {
  epoll = new Epoll();
});

afterEach(() => epoll.close());

/** What is ready now, as plain objects. */
export function ready(set = epoll): { fd: number; events: number }[] {
  return [...set.wait({ timeoutMs: 0 })];
}
