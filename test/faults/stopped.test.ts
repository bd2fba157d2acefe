/** Processes that are stopped and go on (SIGSTOP, SIGCONT) under load: nothing is lost by it. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EventLoop } from '../../src/loop/event-loop';
import { TcpServer } from '../../src/net/server/tcp-server';
import { Child } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';
import { Subject } from './programs/under-strace';

expectNoFdLeaks();

/** Stop a process; when this is done, all its threads stand still. */
async function stop(child: Child): Promise<void> {
  child.kill('SIGSTOP');
  const state = (): string => readFileSync(`/proc/${child.process.pid}/stat`, 'utf8');
  await until(() => /\) T /.test(state()));
}

test.each(['thread', 'libuv', 'inline'])(
  'a server that is stopped, busy and idle, with the waiter %s: all answers come',
  async (waiter) => {
    const subject = await new Subject([waiter, 'edge']).listening();
    const peers = await Promise.all(Array.from({ length: 10 }, () => client(subject.port)));
    for (let round = 0; round < 10; round += 1) {
      const sent = peers.map(() => randomBytes(100_000));
      const answers = peers.map((peer, index) => {
        peer.write((sent[index] as Buffer).subarray(0, 50_000));
        return receive(peer, 100_000);
      });
      // In each second round the server sleeps in its wait when it is stopped.
      if (round % 2 === 0) await stop(subject.child);
      for (const [index, peer] of peers.entries()) {
        peer.write((sent[index] as Buffer).subarray(50_000));
      }
      if (round % 2 === 0) subject.child.kill('SIGCONT');
      const received = await Promise.all(answers);
      expect(received.every((bytes, index) => bytes.equals(sent[index] as Buffer))).toBe(true);
      if (round % 2 === 1) continue;
      await stop(subject.child);
      subject.child.kill('SIGCONT');
    }
    for (const peer of peers) peer.destroy();
    await until(() => subject.count(/close none/g) === peers.length, 60_000);
    expect(subject.count(/uncaught|error|close (?!none)/g)).toBe(0);
  },
  120_000,
);

test.each(['level', 'edge'] as const)(
  'a client that is stopped: its bytes wait, others are served, and then it gets them all: %s',
  async (trigger) => {
    const loop = new EventLoop();
    const server = new TcpServer({ port: 0, loop, trigger });
    let echoed = 0;
    server.on('connection', (connection) => {
      connection.on('data', (chunk) => {
        echoed += chunk.length;
        // Back-pressure: what its client does not read is not read of it either.
        if (!connection.write(chunk)) connection.pause();
      });
      connection.on('drain', () => connection.resume());
    });
    const script = `
      const { createHash } = require('node:crypto');
      const socket = require('node:net').connect(${server.port}, '127.0.0.1');
      const block = require('node:crypto').randomBytes(1 << 20);
      const [sent, got] = [createHash('sha256'), createHash('sha256')];
      let left = 32, missing = left * block.length;
      const write = () => { while (left > 0) { left -= 1; sent.update(block); if (!socket.write(block)) return; } };
      socket.on('connect', write).on('drain', write).on('data', (chunk) => {
        got.update(chunk);
        missing -= chunk.length;
        if (missing > 0) return;
        console.log(sent.digest('hex') === got.digest('hex') ? 'all of it' : 'something else');
        socket.end();
      });`;
    const child = new Child(process.execPath, ['-e', script]);
    await until(() => echoed > 1_000_000, 60_000);
    await stop(child);
    const peer = await client(server.port);
    for (let round = 0; round < 20; round += 1) {
      peer.write('ping');
      expect((await receive(peer, 4)).toString()).toBe('ping');
    }
    // What waits for it is bounded: a chunk beyond the mark.
    for (const { queuedBytes } of server.connections) expect(queuedBytes).toBeLessThan(200_000);
    child.kill('SIGCONT');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toBe('all of it\n');
    server.destroy();
    loop.close();
  },
  120_000,
);
