/**
 * The bug of the lost pong, and why it does not happen here.
 *
 * Connections were cut for missing pongs although the pong had arrived: one TCP segment held several
 * messages, the reader took one per readiness, and edge-triggered epoll does not report bytes again
 * that it has reported once.
 *
 *   run    npx ts-node examples/lost-pong.ts
 *   see    first the bug: the second message of a segment is there, and no event reports it;
 *          then our server, which handles a message, a pong and half a frame of one segment, and
 *          keeps the connection through five heartbeats
 */
import { connect } from 'node:net';
import { constants, Epoll, sys, WebSocketServer } from '../src';

const { AF_UNIX, EPOLLET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** One message of five bytes per readiness, as the reader with the bug did. */
function theBug(): void {
  const pair = new Int32Array(2);
  sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
  const [client, server] = pair as unknown as [number, number];
  using epoll = new Epoll();
  epoll.add(server, (EPOLLIN | EPOLLET) >>> 0);
  const buffer = Buffer.alloc(5);
  sys.write(client, Buffer.from('data pong!'));
  while (epoll.wait({ timeoutMs: 100 }).length > 0) {
    sys.read(server, buffer);
    console.log(`one message a readiness: "${buffer}"`);
  }
  console.log('no event follows, although the pong is there');
  sys.read(server, buffer);
  console.log(`left unread: "${buffer}"`);
  for (const fd of pair) sys.close(fd);
}

/** A masked client frame (RFC 6455, section 5.2) with a key of zeros. */
function frame(opcode: number, payload: string): Buffer {
  const head = Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]);
  return Buffer.concat([head, Buffer.from(payload)]);
}

function theServer(): void {
  const server = new WebSocketServer({ port: 0, pingIntervalMs: 100 });
  let heartbeats = 0;
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      console.log(`message "${data}"`);
      if (heartbeats === 5) server.close();
    });
    socket.on('pong', () => {
      heartbeats += 1;
      console.log(`pong ${heartbeats}`);
    });
    socket.on('error', (error) => console.log(`cut: ${error.message}`));
  });
  const client = connect(server.port, '127.0.0.1');
  client.write(
    'GET / HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  client.on('data', (chunk) => {
    const isPing = chunk[0] === 0x89;
    const isClose = chunk[0] === 0x88;
    const half = frame(1, 'second');
    // Message, pong and half a frame in one segment; the other half a little later.
    if (isPing)
      client.write(Buffer.concat([frame(1, 'first'), frame(10, ''), half.subarray(0, 8)]));
    if (isPing) setImmediate(() => client.write(half.subarray(8)));
    if (isClose) client.end();
  });
  server.on('close', () => console.log('the connection outlived five heartbeats'));
}

theBug();
theServer();
