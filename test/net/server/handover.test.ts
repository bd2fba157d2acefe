/**
 * The listener goes from one process to the next while clients of another connect without a pause:
 * none is refused, none is reset, and each is answered.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { until } from '../../support/until';

expectNoFdLeaks();

const PATIENCE_MS = 120_000;
const EACH = 400;
const GENERATIONS = ['first', 'second', 'third', 'fourth'];

interface Report {
  answers: Record<string, number>;
  failures: Record<string, number>;
}

function lastReport(load: Child): Report {
  const lines = load.stdout.trimEnd().split('\n');
  const complete = load.stdout.endsWith('\n') ? lines.at(-1) : lines.at(-2);
  return JSON.parse(complete || '{"answers":{},"failures":{}}') as Report;
}

const running: Child[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    await child.exit();
  }
});

function run(file: string, args: string[]): Child {
  const child = runTs(file, { args });
  running.push(child);
  return child;
}

/** Each generation takes the listener from the last; what the clients have seen at the end. */
async function generations(folder: string, path: string | null): Promise<Report> {
  const control = (index: number): string => join(folder, `control-${index}`);
  let load: Child | null = null;
  let server: Child | null = null;
  for (const [index, name] of GENERATIONS.entries()) {
    const from = index > 0 ? control(index - 1) : path;
    const args = [name, control(index), ...(from === null ? [] : [from])];
    const next = run('test/net/programs/handover-server.ts', args);
    const [, where] = await next.printed(/serving (.+)\n/, PATIENCE_MS);
    if (server !== null) {
      // Only the handed over connections hold the predecessor now; all of them end.
      expect([await server.exit(), server.stderr]).toEqual([{ code: 0, signal: null }, '']);
      expect(server.stdout).toMatch(/ended \{"ended":\d+,"cut":0\}/);
    }
    server = next;
    load ??= run('test/net/programs/handover-load.ts', [where as string]);
    const clients = load;
    await until(() => (lastReport(clients).answers[name] ?? 0) >= EACH, PATIENCE_MS);
  }
  load?.process.stdin?.end();
  expect([await load?.exit(), load?.stderr]).toEqual([{ code: 0, signal: null }, '']);
  if (path !== null) expect(existsSync(path)).toBe(true);
  server?.kill('SIGTERM');
  expect(await server?.exit()).toEqual({ code: 0, signal: null });
  return lastReport(load as Child);
}

function expectAllAnswered({ answers, failures }: Report): void {
  expect(failures).toEqual({});
  expect(Object.keys(answers).sort()).toEqual([...GENERATIONS].sort());
  for (const name of GENERATIONS) expect(answers[name]).toBeGreaterThanOrEqual(EACH);
}

test('TCP: three handovers by sendFds under load', async () => {
  expectAllAnswered(await generations(makeFolder(), null));
}, 600_000);

test('unix: three handovers, the file stays until the last one ends', async () => {
  const folder = makeFolder();
  const path = join(folder, 'server');
  expectAllAnswered(await generations(folder, path));
  expect(existsSync(path)).toBe(false);
}, 600_000);
