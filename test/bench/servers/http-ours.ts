/** A small answer by node:http on our connections. Prints its port. */
import { serveHttp, TcpServer } from '../../../src';

const server = new TcpServer({ port: 0, backlog: 4_096 });
serveHttp(server, (_request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end('hello, world\n');
});
console.log(server.port);
