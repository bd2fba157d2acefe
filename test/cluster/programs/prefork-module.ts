/** The module that the pools of the tests run. Commands come as lines. */
import type { PreforkWorker } from '../../../src/cluster';
import type { TcpConnection } from '../../../src/net';

export function start(worker: PreforkWorker): () => void {
  if (process.env['PREFORK_BROKEN'] !== undefined) throw new Error('broken');
  const server = worker.endpoints.length > 0 ? worker.listen() : null;
  server?.on('connection', (connection) => {
    connection.on('data', (line) => answer(connection, line.toString().trim()));
    // The question is on its way, and gets its answer.
    connection.on('shutdown', () => connection.bytesRead > 0 && connection.end());
  });
  worker.on('message', (value) => {
    if (value === 'block') for (;;);
    worker.send({ index: worker.index, of: worker.processes, value });
  });
  return () => worker.send('stopping');
}

function answer(connection: TcpConnection, command: string): void {
  switch (command) {
    case 'ask':
      connection.end(`${process.pid}\n`);
      break;
    case 'ping':
      connection.write(`${process.pid}\n`);
      break;
    case 'hold':
      connection.write('held\n');
      break;
    case 'exit':
      process.exit(5);
      break;
    case 'throw':
      throw new Error('as asked');
    case 'env':
      connection.end(`${process.env['EPOLL_FFI_PREFORK'] ?? ''}${process.env['ADDED'] ?? ''}\n`);
      break;
  }
}
