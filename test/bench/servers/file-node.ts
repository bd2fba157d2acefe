/** A file as node:http is mostly made to send it: a stream piped into the response. Prints its port. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const path = process.argv[2] as string;
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': statSync(path).size });
  createReadStream(path).pipe(response);
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
