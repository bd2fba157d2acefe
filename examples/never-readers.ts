/**
 * The bug of the clients that never read, and why it does not happen here.
 *
 * After a load test with many clients that never read, a server could not serve new ones: its
 * writers were blocked. A write deadline had been set, but did nothing, because a library had put
 * the sockets back into blocking mode. Here sockets stay non-blocking: bytes that the kernel does not
 * take are queued, and a queue that does not move for `writeTimeoutMs` ends its connection.
 *
 *   run    npx ts-node examples/never-readers.ts        (CLIENTS=1000 is the default)
 *   see    1,000 clients that never read are sent data until their buffers are full; an honest
 *          client is served all the time; after 2 s the others are cut, every one of them
 */
import { constants, sys, WebSocketServer } from '../src';

const CLIENTS = Number(process.env['CLIENTS'] ?? 1_000);
const WRITE_TIMEOUT_MS = 2_000;
const { SOL_SOCKET, SO_RCVBUF, SO_SNDBUF } = constants;
/** Small socket buffers, so that they are full at once and the example is about the queue. */
const SMALL = Int32Array.of(8 * 1024);

const server = new WebSocketServer({ port: 0, writeTimeoutMs: WRITE_TIMEOUT_MS });
let full = 0;
let cut = 0;

server.on('connection', (socket, request) => {
  if (request.url === '/honest') {
    socket.on('message', (data) => socket.send(data));
    return;
  }
  sys.setsockopt(socket.connection.fd, SOL_SOCKET, SO_SNDBUF, SMALL);
  const block = Buffer.alloc(16 * 1024);
  while (socket.send(block));
  full += 1;
  if (full === CLIENTS) console.log(`${seconds()} all ${CLIENTS} are clogged`);
  socket.on('error', (error) => {
    cut += 1;
    if (cut === 1) console.log(`${seconds()} the first is cut: ${error.message}`);
    if (cut === CLIENTS) finish();
  });
});

/** A client that sends its request, and never reads a byte: a bare socket that no loop watches. */
function neverReader(): number {
  const { AF_INET, SOCK_CLOEXEC, SOCK_STREAM } = constants;
  const fd = sys.unwrap(sys.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, SMALL);
  sys.unwrap(sys.connect(fd, sys.encodeAddress(server.address)), 'connect');
  const request = Buffer.from(
    'GET / HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  sys.unwrap(sys.write(fd, request), 'write');
  return fd;
}

const start = performance.now();
const neverReaders: number[] = [];
const latencies: number[] = [];

async function honestClient(): Promise<void> {
  const { WebSocket } = await import('ws');
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/honest`);
  let sentAt = 0;
  const ping = (): void => {
    sentAt = performance.now();
    socket.send('are you there?');
  };
  socket.on('open', ping);
  socket.on('message', () => {
    latencies.push(performance.now() - sentAt);
    if (cut < CLIENTS) setTimeout(ping, 1);
    else socket.close();
  });
}

function finish(): void {
  latencies.sort((a, b) => a - b);
  const median = latencies[latencies.length >> 1] as number;
  console.log(`${seconds()} all ${cut} are cut; they had ${WRITE_TIMEOUT_MS} ms to read`);
  console.log(
    `the honest client was answered ${latencies.length} times, median ${median.toFixed(2)} ms`,
  );
  for (const fd of neverReaders) sys.close(fd);
  server.close();
}

function seconds(): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s:`;
}

void honestClient();
// A few at a time, so that the server's loop, which is in this process too, gets its turns.
const connecting = setInterval(() => {
  for (let count = 0; count < 50 && neverReaders.length < CLIENTS; count += 1) {
    neverReaders.push(neverReader());
  }
  if (neverReaders.length === CLIENTS) clearInterval(connecting);
}, 1);
