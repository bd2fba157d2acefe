/** The same by node:http alone, each file by a stream. Prints its port. The folder is the argument. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const root = process.argv[2] as string;
const server = createServer((request, response) => {
  if (request.method !== 'GET') return void request.resume().on('end', () => response.end());
  const path = join(root, request.url ?? '');
  response.writeHead(200, { 'Content-Length': statSync(path).size });
  createReadStream(path).pipe(response);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  console.log((server.address() as AddressInfo).port);
});
