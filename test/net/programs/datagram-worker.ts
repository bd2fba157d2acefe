/**
 * Answers datagrams in capitals, in a worker thread; run by datagram-socket.test.ts. Posts its port,
 * and ends when it receives "end".
 */
import { parentPort } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import type { SocketAddress } from '../../../src/sys/address';

const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 50 });
const socket = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 }, loop });
socket.on('message', (bytes, info) => {
  socket.send(bytes.toString().toUpperCase(), info);
  if (bytes.toString() === 'end') socket.close();
});
// The fds of a loop are the process's: a thread that ends does not close them.
socket.on('close', () => loop.close());
parentPort?.postMessage((socket.address as SocketAddress).port);
