/**
 * What no code of ours can mend: koffi throws where it runs in a thread that is ending, and Node-API
 * makes an abort of the process of it. So the README asks users not to terminate a worker that is
 * still loading this package. This fails when koffi is mended.
 */
import { join } from 'node:path';
import { Child, ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('a worker that is terminated while it declares functions with koffi aborts the process', async () => {
  const child = new Child(process.execPath, [join(ROOT, 'test/loop/koffi-abort.js')]);
  const { signal } = await child.exit();
  const outcome =
    signal ??
    `${child.stdout}: koffi is mended, so this test, the pause at 'exit' in
    waiter-pool.ts and the paragraph "Workers" of the README can go`;
  expect(outcome).toBe('SIGABRT');
  expect(child.stderr).toContain('ThrowAsJavaScriptException');
});
