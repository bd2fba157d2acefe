/**
 * One thread is enough: a page server that reads, parses and sends all from one epoll set. Heads go
 * through node:http, files from the disk's cache to the socket by sendfile(2), never through here.
 *
 *   run    ROOT=. PORT=7080 npx ts-node examples/static-server.ts   (or the folder as an argument)
 *   type   curl -i http://127.0.0.1:7080/README.md
 *          curl -r 0-99 http://127.0.0.1:7080/README.md             a part of it
 *          ab -k -c 20 -n 20000 http://127.0.0.1:7080/README.md     a well-known benchmark
 *   see    the file; the part; no failed requests. Here: each file that could not be sent, with the reason
 *   end    Ctrl-C
 */
import { serveFiles, serveHttp, TcpServer } from '../src';

const root = process.argv[2] ?? process.env['ROOT'] ?? '.';
const serveFile = serveFiles(root, { cacheControl: 'no-cache' });

const server = new TcpServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 7080),
  trigger: 'edge',
  // A client that stops reading in the middle of a file does not keep it open for ever.
  writeTimeoutMs: 60_000,
});

const http = serveHttp(server, {}, async (request, response) => {
  const { statusCode, error } = await serveFile(request, response);
  if (error !== undefined) console.log(`${request.url}: ${statusCode}, ${error.message}`);
});
http.keepAliveTimeout = 15_000;

console.log(`${root} is listening at http://${server.address.address}:${server.port}`);
process.once('SIGINT', () => server.destroy());
