/**
 * The main example: a chat room in the browser, over our WebSocket server, with the loop's own figures
 * drawn beside it as a moving plot. Every byte, the page's too, goes through our own epoll_wait.
 *
 *   run    npm start                 (HOST=127.0.0.1 and PORT=8080 are the defaults)
 *   then   open http://127.0.0.1:8080 in two tabs, and write from one to the other
 *   see    the messages in both, and the moving curves
 *   end    Ctrl-C: every tab gets a close frame, and the process ends with 0
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { EventLoop, SystemError, WebSocketServer } from '../src';
import { Figures } from './chat/figures';
import { Room } from './chat/room';

const FIGURES_EVERY_MS = 500;
const host = process.env['HOST'] ?? '127.0.0.1';
const port = Number(process.env['PORT'] ?? 8080);

const PAGE: Record<string, { type: string; body: Buffer }> = {
  '/': { type: 'text/html; charset=utf-8', body: asset('index.html') },
  '/page.js': { type: 'text/javascript; charset=utf-8', body: asset('page.js') },
  '/style.css': { type: 'text/css; charset=utf-8', body: asset('style.css') },
};

function asset(name: string): Buffer {
  return readFileSync(join(__dirname, 'chat', name));
}

function servePage(request: IncomingMessage, response: ServerResponse): void {
  const file = PAGE[request.url?.split('?', 1)[0] ?? ''];
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (file === undefined || !isRead) {
    response.writeHead(isRead ? 404 : 405, { 'Content-Type': 'text/plain' });
    response.end(isRead ? 'there is no such page\n' : 'only GET and HEAD\n');
    return;
  }
  response.writeHead(200, {
    'Content-Type': file.type,
    'Content-Length': file.body.length,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': "default-src 'self'; img-src data:",
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : file.body);
}

function listen(loop: EventLoop): WebSocketServer {
  try {
    return new WebSocketServer({ host, port, path: '/chat', maxMessageBytes: 16 * 1024, loop });
  } catch (error) {
    // One clear line instead of a stack: the port is taken, the host is not ours, or no number.
    const isTaken = error instanceof SystemError && error.code === 'EADDRINUSE';
    const advice = isTaken ? ' (set PORT to another one)' : '';
    console.error(`cannot listen: ${(error as Error).message}${advice}`);
    process.exit(1);
  }
}

const loop = new EventLoop({ measureTurns: true });
const server = listen(loop);
const room = new Room(server);
const figures = new Figures(loop);

server.on('request', servePage);
server.on('connection', (socket) => room.welcome(socket));
const plotting = setInterval(() => {
  room.broadcast({
    type: 'figures',
    ...figures.take(server.clients.size, room.takeMessageCount()),
  });
}, FIGURES_EVERY_MS);

console.log(`open http://${host.includes(':') ? `[${host}]` : host}:${server.port}`);

async function stop(): Promise<void> {
  console.log('stopping: every client gets a close frame');
  // A second Ctrl-C does not wait.
  process.once('SIGINT', () => process.exit(130));
  clearInterval(plotting);
  await server.shutdown({ reason: 'the server stops' });
  loop.close();
}

process.once('SIGINT', stop);
process.once('SIGTERM', stop);
