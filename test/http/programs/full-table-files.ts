/**
 * A server of files in a process whose fds are used up by order; run by full-table-files.test.ts, with
 * the folder as its argument. Prints its port, and does as it is told on stdin:
 *
 *   fill      use up all fds
 *   empty     give them back
 *   stop      close the server; prints how many spare fds went with it
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { sendFile } from '../../../src/http/files/send-file';
import { serveFiles } from '../../../src/http/files/serve-files';
import { serveHttp } from '../../../src/http/server/serve-http';
import { EventLoop } from '../../../src/loop/event-loop';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { EFD_CLOEXEC, RLIMIT_NOFILE } from '../../../src/sys/constants';
import { close, eventfd } from '../../../src/sys/io';
import { prlimit } from '../../../src/sys/resource-limit';

const folder = process.argv[2] as string;
const fillers: number[] = [];
const loop = new EventLoop({ waiter: 'libuv' });

/** What spare fds are. */
function eventFdCount(): number {
  const names = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The one by which the folder was read.
      return '';
    }
  });
  return names.filter((name) => name === 'anon_inode:[eventfd]').length;
}

const lines = createInterface({ input: process.stdin });
const server = new TcpServer({ port: 0, loop });
const files = serveFiles(folder);
serveHttp(server, (request, response) => {
  if (request.url?.startsWith('/send/') === true) {
    sendFile(response, `${folder}/${request.url.slice(6)}`).catch((error: Error) => {
      response.statusCode = 503;
      response.end(error.message);
    });
  } else void files(request, response);
});

const commands: Record<string, () => void> = {
  fill() {
    prlimit(0, RLIMIT_NOFILE, { soft: 200, hard: 200 }, null);
    for (let fd = eventfd(0, EFD_CLOEXEC); fd >= 0; fd = eventfd(0, EFD_CLOEXEC)) fillers.push(fd);
    console.log('filled');
  },
  empty() {
    for (const fd of fillers.splice(0)) close(fd);
    console.log('emptied');
  },
  stop() {
    const before = eventFdCount();
    server.once('close', () => console.log(`gave ${before - eventFdCount()}`));
    server.destroy();
  },
};
lines.on('line', (line) => commands[line]?.());
lines.on('close', () => process.exit());
console.log(`port ${server.port}`);
