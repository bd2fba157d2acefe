/** Options of which the defaults are known without zod. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { LazyOptions } from '../../src/base/lazy-options';
import { eventLoopOptions } from '../../src/loop/event-loop-options';
import { ROOT } from '../support/child';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';

test('the defaults of a loop are those of its schema', () => {
  expect(eventLoopOptions.parse({})).toEqual(eventLoopOptions.schema.parse({}));
  expect(eventLoopOptions.parse({ spinUs: 0 })).toEqual({
    ...eventLoopOptions.parse({}),
    spinUs: 0,
  });
});

test('what is no plain and empty object goes to the schema', () => {
  let builds = 0;
  const options = new LazyOptions('Thing', { size: 1 }, (z) => {
    builds += 1;
    return z.strictObject({ size: z.int().default(1) });
  });
  expect([options.parse({}), builds]).toEqual([{ size: 1 }, 0]);
  for (const wrong of [null, 5, [], { sise: 2 }, { [Symbol('size')]: 2, size: 'x' }]) {
    expect(() => options.parse(wrong)).toThrow(/Invalid option.*of Thing/);
  }
  expect([options.parse({ size: 2 }), builds]).toEqual([{ size: 2 }, 1]);
});

test('a loop and a watcher without options load no zod', () => {
  const program = `
    const { watch } = require('./src/watch/fd-watcher');
    const { Waker } = require('./src/epoll/waker');
    const waker = new Waker();
    watch(waker.fd).close();
    console.log(Object.keys(require.cache).filter((file) => file.includes('/zod/')).length);
    watch(waker.fd, { edge: true }).close();
    console.log(Object.keys(require.cache).some((file) => file.includes('/zod/')));
    process.exit();`;
  const output = execFileSync(process.execPath, [...RUNS_TYPESCRIPT, '-e', program], {
    cwd: join(ROOT),
    encoding: 'utf8',
  });
  expect(output).toBe('0\ntrue\n');
});
