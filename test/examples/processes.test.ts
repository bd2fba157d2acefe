/** Runs the examples with processes and task threads as their headers say. */
import { get } from 'node:http';
import { connect } from 'node:net';
import { runTs } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';

expectNoFdLeaks();
jest.setTimeout(240_000);

/** 9,999, as in the article, by ROUNDS=9999. */
const ROUNDS = process.env['ROUNDS'] ?? '500';

test('prefork: every round is answered, by one of the processes', async () => {
  const child = runTs('examples/prefork.ts', { env: { ROUNDS } });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  const counts = [...child.stdout.matchAll(/process \d+ has answered (\d+)/g)].map(([, n]) => +n!);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(Number(ROUNDS));
  const [, answered, by] = /(\d+) rounds, all answered, by (\d) of 5/.exec(child.stdout) ?? [];
  expect([answered, Number(by)]).toEqual([ROUNDS, counts.length]);
});

test('prefork: what is killed is replaced, HUP replaces all, Ctrl-C ends all', async () => {
  const env = { ROUNDS: '0', PORT: '0', PROCESSES: '2' };
  const child = runTs('examples/prefork.ts', { env });
  const [, port] = await child.printed(/listening at .*:(\d+)/);
  const [, pids = ''] = await child.printed(/its processes: (.+)\n/);
  const peer = await client(Number(port));
  peer.write('hello\n');
  const [answer] = await next<[Buffer]>(peer, 'data');
  const [pid = '', text] = answer.toString().split(' ');
  expect(pids.split(' ')).toContain(pid);
  expect(text).toBe('hello\n');
  const closed = next(peer, 'close');
  peer.on('error', () => {});
  process.kill(Number(pid), 'SIGKILL');
  await child.printed(new RegExp(`${pid} has ended \\(SIGKILL\\), and is replaced`));
  await closed;
  child.kill('SIGHUP');
  await until(async () => !pids.split(' ').includes(await whoAnswers(Number(port))));
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});

function whoAnswers(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('who?\n'));
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString().split(' ', 1)[0] ?? '');
    });
    socket.on('error', reject);
  });
}

test('prefork-shared-epoll: with one set all stalls, with one for each nothing is lost', async () => {
  const child = runTs('examples/prefork-shared-epoll.ts', { env: { ROUNDS } });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  const shared =
    /one set for 5 processes: all stalls in round (\d+): fd \d+ was added by process (\d+); its line was reported to (.+); since then (\d+) waits have returned 0/;
  const [, round, adder, reported, waits] = shared.exec(child.stdout) ?? [];
  expect(Number(round)).toBeGreaterThan(0);
  expect(Number(waits)).toBeGreaterThanOrEqual(15);
  expect(reported).not.toContain(`process ${adder}`);
  const own = `one set for each of 5 processes: ${ROUNDS} rounds, all answered\n`;
  expect(child.stdout).toContain(own);
});

interface Answer {
  status: number;
  body: unknown;
}

function fetch(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }),
      );
    }).on('error', reject);
  });
}

test('task-scheduler: slow work is answered, fast work before it, and too much is refused', async () => {
  const env = { PORT: '0', MAX_QUEUED: '4' };
  const child = runTs('examples/task-scheduler.ts', { env });
  const port = Number((await child.printed(/listening at .*:(\d+)/))[1]);
  const { status, body } = await fetch(port, '/hash/secret');
  expect([status, body]).toEqual([200, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  const user = { status: 200, body: { id: '7', name: 'user 7' } };
  expect(await fetch(port, '/query/7')).toEqual(user);
  expect((await fetch(port, '/nothing')).status).toBe(404);
  const order: string[] = [];
  const note = async (name: string, path: string): Promise<Answer> => {
    const answer = await fetch(port, path);
    if (answer.status === 200) order.push(name);
    return answer;
  };
  const slow = Array.from({ length: 12 }, () => note('slow', '/query/1'));
  // By now there is a queue.
  expect((await Promise.race(slow)).status).toBe(503);
  await note('fast', '/fast');
  const statuses = (await Promise.all(slow)).map((answer) => answer.status);
  expect(statuses.filter((code) => code === 200).length).toBeGreaterThanOrEqual(5);
  expect(order.at(-1)).toBe('slow');

  // Ctrl-C: what was asked is answered, and figures are printed.
  const peer = await client(port);
  peer.write('GET /query/9 HTTP/1.1\r\nHost: a\r\n\r\n');
  const head = 'HTTP/1.1 200 OK';
  await until(async () => (await fetch(port, '/fast')).status === 200);
  child.kill('SIGINT');
  expect((await receive(peer, head.length)).toString()).toBe(head);
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  const [, completed, refused] =
    /(\d+) tasks, (\d+) refused, \d+ canceled/.exec(child.stdout) ?? [];
  expect(Number(completed)).toBeGreaterThanOrEqual(8);
  expect(Number(refused)).toBeGreaterThan(0);
  expect(child.stdout).toMatch(/the loop was late by \d+\.\d ms at most/);
});
