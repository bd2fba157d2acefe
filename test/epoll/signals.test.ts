import { runTs } from '../support/child';

test('a signal ends a wait early, and one that is masked does not; both are heard after it', async () => {
  const child = runTs('test/epoll/programs/signals.ts');
  const exit = await child.exit();
  expect({ ...exit, stderr: child.stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  // No listener runs during a wait: the thread is blocked.
  const early = { events: 0, before: 0, isHeard: true };
  const undisturbed = { events: 1, before: 0, isHeard: true };
  expect(JSON.parse(child.stdout)).toEqual({
    wait: early,
    'wait with a fraction': early,
    'wait without signals': undisturbed,
    'wait with a fraction, without signals': undisturbed,
    'wait without other signals': early,
    pollFds: early,
    'pollFds without signals': undisturbed,
    selectFds: early,
  });
});
