/** Runs the examples about sockets beyond TCP, as their headers say. */
import { runTs } from '../support/child';
import { client, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';

expectNoFdLeaks();

test('pass-listener: the child answers, also when the parent has closed its listener', async () => {
  const parent = runTs('examples/pass-listener.ts', { env: { PORT: '0' } });
  const [, port] = await parent.printed(/listening at .*:(\d+)/);
  const [, own, passedTo] = await parent.printed(/parent (\d+) has passed .* to child (\d+)/);
  expect(Number(own)).toBe(parent.process.pid);
  expect(passedTo).not.toBe(own);
  const answer = async (): Promise<string> =>
    (await receiveAll(await client(Number(port)))).toString();

  expect(await answer()).toBe(`served by ${passedTo}\n`);
  await parent.printed(new RegExp(`child ${passedTo} got "serve this" from ${own}`));
  parent.process.stdin?.write('\n');
  await parent.printed(/the parent has closed its own listener/);
  expect(await answer()).toBe(`served by ${passedTo}\n`);

  parent.kill('SIGTERM');
  expect(await parent.exit()).toEqual({ code: null, signal: 'SIGTERM' });
  // With its parent the child is gone, and the port with it.
  await until(
    async () =>
      (await client(Number(port)).then(
        () => 'open',
        () => 'refused',
      )) === 'refused',
  );
});

test('zero-downtime: SIGHUP replaces the process, its busy client is served, none is refused', async () => {
  const first = runTs('examples/zero-downtime.ts', { env: { PORT: '0' } });
  const [, old, port] = await first.printed(/(\d+) is listening at .*:(\d+)/, 60_000);
  const busy = await client(Number(port));
  const ask = async (text: string): Promise<string> => {
    const peer = await client(Number(port));
    const answer = receiveAll(peer);
    peer.end(text);
    return (await answer).toString();
  };
  expect(await ask('hello')).toBe(`${old} has heard: hello`);
  first.kill('SIGHUP');
  await until(() => first.stdout.split('is listening at').length === 3, 60_000);
  const pids = [...first.stdout.matchAll(/(\d+) is listening at/g)].map(([, pid]) => pid);
  const successor = Number(pids[1]);
  try {
    busy.write('still you?');
    expect((await receiveAll(busy)).toString()).toBe(`${old} has heard: still you?`);
    await until(() => first.process.exitCode !== null, 60_000);
    // What it has printed may come after its end.
    await until(() => first.stdout.includes(`${old} ends: 1 connections ended, 0 were cut`));
    expect(await ask('and now?')).toBe(`${successor} has heard: and now?`);
  } finally {
    process.kill(successor, 'SIGTERM');
  }
  // The output is at its end when nobody has it open any more: the successor is gone.
  expect(await first.exit()).toEqual({ code: 0, signal: null });
  expect(first.stdout).toMatch(`${successor} ends: 0 connections ended, 0 were cut`);
}, 240_000);
