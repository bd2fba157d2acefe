/** Runs the examples with reactors as their headers say, and reads their numbers. */
import { runTs } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';

expectNoFdLeaks();
jest.setTimeout(240_000);

test('reactors: lines are answered, a crash is survived, HUP replaces, Ctrl-C ends', async () => {
  const child = runTs('examples/reactors.ts', { env: { PORT: '0', THREADS: '2' } });
  const [, port] = await child.printed(/2 threads are listening at .*:(\d+)/);
  const peer = await client(Number(port));
  peer.on('error', () => {});
  for (let line = 1; line <= 10; line += 1) {
    peer.write('hello\n');
    expect((await receive(peer, 16)).toString()).toMatch(/^thread [01]: hello\n$/);
  }
  await child.printed(/thread [01] has answered 10 lines/);
  const sum = 'all threads: 10 lines\n';
  expect((await receive(peer, sum.length)).toString()).toBe(sum);
  const closed = next(peer, 'close');
  peer.write('crash\n');
  const [, index] = await child.printed(/thread (\d) crashed: a client asked for it/);
  await closed;
  await child.printed(new RegExp(`asked for it[^]*thread ${index} runs`));
  child.kill('SIGHUP');
  await child.printed(/all threads are replaced/);
  const other = await client(Number(port));
  other.write('again\n');
  await receive(other, 16);
  other.end();
  await next(other, 'close');
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/accepted \d+, events \d+, wake-ups \d+, crashes 1/);
  expect(child.stdout).toMatch(/at the end 0 connections finished, 0 were cut/);
});

test('thundering-herd: exclusive and reuseport wake fewer threads than the herd', async () => {
  const child = runTs('examples/thundering-herd.ts', { env: { CLIENTS: '100' } });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  const rows = [...child.stdout.matchAll(/^(\w+) +([\d.]+) {4}([\d ]+)$/gm)];
  const wakeUps = Object.fromEntries(rows.map(([, way, value]) => [way, Number(value)]));
  expect(Object.keys(wakeUps).sort()).toEqual([
    'exclusive',
    'mutex',
    'oneshot',
    'reuseport',
    'shared',
    'single',
  ]);
  for (const [, , , spread = ''] of rows) {
    const clients = spread.split(' ').map(Number);
    expect(clients.reduce((sum, count) => sum + count)).toBe(100);
  }
  expect(wakeUps['exclusive']).toBeLessThan(wakeUps['shared'] as number);
  expect(wakeUps['reuseport']).toBeLessThan(wakeUps['shared'] as number);
});
