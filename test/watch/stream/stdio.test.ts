/** Stdin, stdout and stderr as fds of ours. */
import { runTs } from '../../support/child';

const SLOW_MS = 180_000;

test(
  'are not closed by their users, nor with a worker: libuv aborts when it gets such a number',
  async () => {
    const child = runTs('test/watch/programs/stdio.ts', {});
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toBe('written\n');
    expect(child.stderr).toContain('0 to 2 are open\n');
  },
  SLOW_MS,
);
