/**
 * Receives fds in a process that has hardly any left; run by fd-passing.test.ts under `ulimit -n`.
 * Three are sent when one is free: prints the error, and how many fds are open before and after.
 */
import { readdirSync } from 'node:fs';
import { receiveFds, sendFds } from '../../../src/net/socket/fd-passing';
import * as c from '../../../src/sys/constants';
import { close, eventfd } from '../../../src/sys/io';
import { socketpair } from '../../../src/sys/socket';

const fds = new Int32Array(2);
socketpair(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0, fds);
const [here, there] = fds as unknown as [number, number];
const count = (): number => readdirSync('/proc/self/fd').length;

const sent = [0, 1, 2].map(() => eventfd(0, c.EFD_CLOEXEC));
sendFds(here, sent);
sendFds(here, sent);
const fillers: number[] = [];
for (let fd = eventfd(0, c.EFD_CLOEXEC); fd >= 0; fd = eventfd(0, c.EFD_CLOEXEC)) fillers.push(fd);
close(fillers.pop() as number);

let code = 'none';
try {
  receiveFds(there);
} catch (error) {
  code = (error as { code: string }).code;
}
// The one that was free must be free again: it is found, and only it.
const free = eventfd(0, c.EFD_CLOEXEC);
const full = eventfd(0, c.EFD_CLOEXEC);
close(free);
for (const fd of fillers) close(fd);
const before = count();
const second = receiveFds(there)?.fds.length;
console.log(
  JSON.stringify({ code, isFree: free >= 0, isFull: full < 0, second, more: count() - before }),
);
