/** Clients of node:net: the other side of our servers is never our own code. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';

const open = new Set<Socket>();

afterEach(() => {
  for (const socket of open) socket.destroy();
  open.clear();
});

/** A connected client; closed after the test. */
export function client(port: number, options: Partial<NetConnectOpts> = {}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ...options } as NetConnectOpts);
    open.add(socket);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // A reset is an answer like any other; who cares looks at 'close'.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** The next `count` bytes. */
export function receive(socket: Socket, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onClose = (): void => reject(new Error(`closed after ${length} of ${count} bytes`));
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      length += chunk.length;
      if (length < count) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      // Without a listener a flowing socket would throw away what comes next.
      socket.pause();
      const all = Buffer.concat(chunks);
      if (length > count) socket.unshift(all.subarray(count));
      resolve(all.subarray(0, count));
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.resume();
  });
}

/** All bytes until the other side ends or closes. */
export function receiveAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('close', () => resolve(Buffer.concat(chunks)));
    socket.resume();
  });
}
