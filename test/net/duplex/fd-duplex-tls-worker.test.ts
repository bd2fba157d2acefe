/** A program's own TLS, on streams on connections of a server in a worker thread. */
import { once } from 'node:events';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { certificate, withOpenssl } from '../../support/certificate';
import { ROOT } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { until } from '../../support/until';

expectNoFdLeaks();

type Message = { port?: number; closed?: number; outcome?: object };

/** The worker of `tls-worker.ts`, and what it has posted. */
async function start(how: 'server' | 'socket') {
  const worker = new Worker(join(ROOT, 'test/net/programs/tls-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: { ...certificate(), how },
  });
  const messages: Message[] = [];
  worker.on('message', (message) => messages.push(message));
  const exited = once(worker, 'exit');
  const has = (field: string): Promise<void> =>
    until(() => messages.some((message) => field in message));
  await has('port');
  return { worker, messages, has, exited, port: messages[0]?.port ?? 0 };
}

/** A client that has got an answer; what comes later is in `text`. */
async function echoed(port: number) {
  const socket: TLSSocket = connect({
    ...{ port, host: '127.0.0.1', ca: certificate().cert, servername: 'localhost' },
  });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'secureConnect');
  socket.write('hello');
  await until(() => text === 'hello');
  return { socket, local: socket.localPort, text: () => text };
}

describe.each(['server', 'socket'] as const)('tls.%s', (how) => {
  withOpenssl('its addresses are known, also when it is closed by its client', async () => {
    const { worker, messages, has, exited, port } = await start(how);
    const { socket, local } = await echoed(port);
    expect(messages[1]).toEqual({
      ...{ remoteAddress: '127.0.0.1', remotePort: local, remoteFamily: 'IPv4' },
      ...{ localAddress: '127.0.0.1', localPort: port },
    });
    const closed = once(socket, 'close');
    socket.end();
    await closed;
    await has('closed');
    expect(messages[2]).toEqual({ closed: local, destroyed: true });
    worker.postMessage('shutdown');
    await exited;
    expect(messages[3]).toEqual({ outcome: { ended: 0, cut: 0 } });
    expect(messages).toHaveLength(4);
  });

  withOpenssl('shutdown ends it, and cuts nothing', async () => {
    const { worker, messages, exited, port } = await start(how);
    const clients = [await echoed(port), await echoed(port)];
    const ends = clients.map(({ socket }) => once(socket, 'close'));
    worker.postMessage('shutdown');
    await Promise.all([...ends, exited]);
    expect(clients.map(({ text }) => text())).toEqual(['hello', 'hello']);
    expect(messages.filter((message) => 'closed' in message)).toHaveLength(2);
    expect(messages.at(-1)).toEqual({ outcome: { ended: 2, cut: 0 } });
  });

  withOpenssl('a worker that is terminated leaves no connection open', async () => {
    const { worker, port } = await start(how);
    const { socket } = await echoed(port);
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await worker.terminate();
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
