/** Streams in a worker thread; run by fd-duplex-fds.test.ts. Posts what comes, until it is ended. */
import { parentPort, workerData } from 'node:worker_threads';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';

const { readFd, socket } = workerData as { readFd: number; socket: number };

const stream = new FdDuplex({ readFd });
stream.on('data', (chunk) => parentPort?.postMessage(String(chunk)));
new FdDuplex(socket).resume();
parentPort?.postMessage('ready');
