/** A file by sendfile(2) behind a head of node:http. Listens on fd 3; prints its port. */
import { sendFile, serveHttp, TcpServer } from '../../../src';

const path = process.argv[2] as string;
const server = new TcpServer({ fd: 3 });
serveHttp(server, {}, (_request, response) => {
  void sendFile(response, path);
});
console.log(server.port);
