/** The echo server on our loop, with the default options. Prints its port. */
import { TcpServer } from '../../../src';

const server = new TcpServer({
  port: 0,
  handler: {
    onData(connection, chunk) {
      connection.write(chunk);
    },
  },
});
console.log(server.port);
