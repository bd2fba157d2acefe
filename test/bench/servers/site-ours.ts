/** A folder by serveFiles, and uploads that are read. Prints its port. The folder is the argument. */
import { serveFiles, serveHttp, TcpServer } from '../../../src';

const files = serveFiles(process.argv[2] as string);
const server = new TcpServer({ port: 0, backlog: 4_096 });
serveHttp(server, (request, response) => {
  if (request.method === 'GET') void files(request, response);
  else request.resume().on('end', () => response.end());
});
console.log(server.port);
