/**
 * A thread that waits with an epoll set of its own for an fd of another; run by exclusive.test.ts.
 * Says which thread and set that is, and then how many events the wait has given.
 */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Epoll } from '../../../src/epoll/epoll';

const { fd, events } = workerData as { fd: number; events: number };

using epoll = new Epoll();
epoll.add(fd, events);
const thread = basename(readlinkSync('/proc/thread-self'));
parentPort?.postMessage({ thread, epfd: epoll.fd });
parentPort?.postMessage({ count: epoll.wait({ timeoutMs: 20_000 }).length });
