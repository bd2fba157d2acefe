/**
 * A file as node:http is mostly made to send it: a stream piped into the response. Listens on fd 3;
 * prints its port.
 */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const path = process.argv[2] as string;
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': statSync(path).size });
  createReadStream(path).pipe(response);
});
server.listen({ fd: 3 }, () => console.log((server.address() as AddressInfo).port));
