/** The same by node:http alone, each file read whole. Prints its port. The folder is the argument. */
import { readFile } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const root = process.argv[2] as string;
const server = createServer((request, response) => {
  if (request.method !== 'GET') return void request.resume().on('end', () => response.end());
  readFile(join(root, request.url ?? ''), (error, bytes) => {
    response.writeHead(error === null ? 200 : 503, { 'Content-Length': bytes?.length ?? 0 });
    response.end(bytes);
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  console.log((server.address() as AddressInfo).port);
});
