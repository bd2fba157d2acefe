/** A worker of terminated.test.ts, with one of everything open when it ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { EventFd, EventLoop, TcpServer, Waker, watch } from '../../../src';

const server = new TcpServer({ port: 0 });
const waker = new Waker();
watch(waker.fd, { autoClose: false });
new EventFd().on('count', () => {});
new EventLoop({ waiter: 'inline' });
watch(new Waker().fd, { loop: new EventLoop({ waiter: 'libuv' }) });

const endings: Record<string, () => void> = {
  wait: () => {},
  spin: () => {
    for (;;);
  },
  exit: () => process.exit(7),
};

server.on('connection', (connection) => {
  connection.on('data', () => {
    parentPort?.postMessage('data');
    // The message must be on its way before an endless loop begins.
    setImmediate(endings[workerData] as () => void);
  });
});
parentPort?.postMessage(server.port);
