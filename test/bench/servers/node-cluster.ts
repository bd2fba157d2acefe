/** The echo server on node:net, in as many workers of node:cluster as the argument says. Prints its port. */
import cluster, { type Address } from 'node:cluster';
import { createServer } from 'node:net';

const workers = Number(process.argv[2]);

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', (_worker, { port }: Address) => {
    listening += 1;
    if (listening === workers) console.log(port);
  });
  // Port 0 is the same one in all workers.
  for (let count = 0; count < workers; count += 1) cluster.fork();
} else {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
}
