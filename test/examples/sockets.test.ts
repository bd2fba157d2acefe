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
  await parent.printed(new RegExp(`child ${passedTo} was told "serve this" by ${own}`));
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
