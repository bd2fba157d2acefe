/**
 * The other side of what a block of the README has made: clients of its servers, senders of its
 * signals. What they get back is not judged; an exception in the block's own process is.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { changeFiles, mountAt, type Stage } from './provisions';

/** A client that gets no answer is content after so long. */
const PATIENCE_MS = 300;
const LISTEN = '0A';
const UNIX_LISTENS = 0x1_0000;

/** Visit all that the block has opened. */
export async function drive(stage: Stage, names: readonly string[]): Promise<void> {
  changeFiles(stage);
  // A pool listens in a later turn.
  while (stage.text.includes('ReactorPool') && portsOf('tcp', LISTEN).length === 0) {
    await new Promise(setImmediate);
  }
  if (names.includes('openSync')) mountAt('src');
  const visits = [...portsOf('tcp', LISTEN), ...portsOf('tcp6', LISTEN)].flatMap((port) => [
    visit(() => connect(port, '127.0.0.1')),
    ...(names.includes('serveHttps')
      ? [visit(() => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))]
      : []),
    ...(stage.text.includes('WebSocketServer') ? [visitWebSocket(port)] : []),
  ]);
  await Promise.all([...visits, ...unixPaths().map((path) => visit(() => connect(path)))]);
  await Promise.all(portsOf('udp', '07').map(sendDatagram));
  sendSignals(names);
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS / 10));
}

/** The ports of this network namespace, in which there is nobody else. */
function portsOf(protocol: string, state: string): number[] {
  const lines = readFileSync(`/proc/net/${protocol}`, 'utf8').trim().split('\n').slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const found = fields.filter((field) => field[3] === state);
  return found.map(([, local = '']) => Number.parseInt(local.split(':')[1] as string, 16));
}

function unixPaths(): string[] {
  const lines = readFileSync('/proc/net/unix', 'utf8').trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, , , flags = '0', , , , path] = line.split(/\s+/);
    const listens = (Number.parseInt(flags, 16) & UNIX_LISTENS) !== 0;
    return listens && path?.startsWith('/') === true ? [path] : [];
  });
}

/** One request, which is also a line of text for those who speak another protocol. */
async function visit(open: () => Socket): Promise<void> {
  const socket = open();
  await new Promise<void>((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve());
    socket.resume().setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
}

async function visitWebSocket(port: number): Promise<void> {
  const { WebSocket } = require('ws') as typeof import('ws');
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, { handshakeTimeout: PATIENCE_MS });
  await new Promise<void>((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve());
    socket.on('open', () => socket.send('hello'));
    socket.on('message', () => socket.close());
  });
}

async function sendDatagram(port: number): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.send('hello', port, '127.0.0.1', resolve));
  socket.close();
}

function sendSignals(names: readonly string[]): void {
  if (names.includes('SignalFd')) process.kill(process.pid, 'SIGUSR1');
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    if (process.listenerCount(name) > 0) process.kill(process.pid, name);
  }
}
