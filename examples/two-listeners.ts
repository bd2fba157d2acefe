/**
 * Two listeners and a timer in one loop: pages for browsers, lines for terminals.
 *
 * Both listening sockets are in one epoll set. The loop waits with a time limit, and after each
 * round of events a pass over the users removes those who were silent for too long. An exception in
 * the handler of one user is printed, and stops neither the loop nor other users.
 *
 *   run    PORT=8080 LINE_PORT=7000 npx ts-node examples/two-listeners.ts      (IDLE_MS=30000)
 *   then   nc 127.0.0.1 7000, and type lines: your name first, then "boom"
 *          curl http://127.0.0.1:8080/ in another terminal
 *   see    each line comes back; "boom" throws, which the server prints, and goes on; the page lists
 *          the users; a user who types nothing for 30 s is removed
 *   end    Ctrl-C
 */
import { EventLoop, serveHttp, type TcpConnection, TcpServer } from '../src';

const HOST = process.env['HOST'] ?? '127.0.0.1';
const IDLE_MS = Number(process.env['IDLE_MS'] ?? 30_000);
/** The longest wait for events, and so the interval of the pass when nothing happens. */
const WAIT_MS = 100;
const MAX_LINE = 1_024;

const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: WAIT_MS });
const pages = new TcpServer({ host: HOST, port: Number(process.env['PORT'] ?? 8080), loop });
const lines = new TcpServer({ host: HOST, port: Number(process.env['LINE_PORT'] ?? 7000), loop });

/** A user of the line server. */
interface User {
  name: string;
  /** The beginning of a line that is not whole yet. */
  begun: string;
}

const userOf = (connection: TcpConnection): User => connection.attachment as User;

lines.on('connection', (connection) => {
  connection.attachment = { name: '', begun: '' } satisfies User;
  connection.write('who are you?\n');
  connection.on('data', (chunk) => {
    const user = userOf(connection);
    const [first = '', ...rest] = chunk.toString().split('\n');
    const whole = [user.begun + first, ...rest];
    user.begun = whole.pop() ?? '';
    if (user.begun.length > MAX_LINE) return connection.destroy();
    for (const line of whole) onLine(connection, line);
  });
  connection.on('close', (error) => {
    if (error !== undefined) console.log(`${userOf(connection).name} is removed: ${error.message}`);
  });
});

function onLine(connection: TcpConnection, line: string): void {
  const user = userOf(connection);
  if (user.name === '') {
    user.name = line;
    connection.write(`hello, ${line}\n`);
    return;
  }
  if (line === 'boom') throw new Error(`the handler of ${user.name} has thrown`);
  connection.write(`${user.name}: ${line}\n`);
}

serveHttp(pages, {}, (_request, response) => {
  const now = performance.now();
  const users = [...lines.connections].map((connection) => {
    const seconds = Math.round((now - connection.lastActivity) / 1_000);
    return `${userOf(connection).name || 'a new user'}, silent for ${seconds} s\n`;
  });
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${users.length} users\n${users.join('')}`);
});

/** An immediate runs once in a round of Node's loop, and so after each wait of ours. */
function afterRound(): void {
  pages.sweep(IDLE_MS);
  lines.sweep(IDLE_MS);
  if (!loop.closed) setImmediate(afterRound);
}
setImmediate(afterRound);

// The loop raises what a handler throws once the round is over, as Node does with its own.
process.on('uncaughtException', (error) => console.log(`seen: ${error.message}`));
process.once('SIGINT', () => {
  pages.destroy();
  lines.destroy();
  loop.close();
});

console.log(`pages at http://${HOST}:${pages.port}/, lines at ${HOST}:${lines.port}`);
