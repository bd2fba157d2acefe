/**
 * No sleeps, and no clock in a verdict: a busy machine must not turn a test red. Files that sleep or look at
 * a clock nevertheless are listed in CONTRIBUTING.md, each with its reason; this compares the two.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/child';

const TEST = join(ROOT, 'test');
/** Programs that tests start, and those that measure, may wait: they are no verdict. */
const NO_VERDICT = /(^|\/)(bench|storm|soak|programs|jest-threads)\//;

/** Waits for a time: a promise of a timer, an interval, and sleep(1) in a shell. */
const SLEEP = /new Promise\b.*\bsetTimeout\(|setInterval\(|timers\/promises|\bsleep 0/;
/** Looks at a clock. */
const CLOCK = /\b(performance|Date)\.now\(\)|\bhrtime\b/;

function filesWith(pattern: RegExp): string[] {
  return readdirSync(TEST, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[jt]s$/.test(name) && !NO_VERDICT.test(name) && name !== 'clocks.test.ts')
    .filter((name) => pattern.test(readFileSync(join(TEST, name), 'utf8')))
    .sort();
}

/** The first column of the table below the heading `title`. */
function listed(title: string): string[] {
  const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const section = text.split(/^#+ /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  const rows = section.matchAll(/^\| `([^`]+)`((?:, `[^`]+`)*) \|/gm);
  return [...rows]
    .flatMap((row) => [...row[0].matchAll(/`([^`]+)`/g)].map(([, name]) => name as string))
    .sort();
}

test('a test that sleeps is listed, with its reason', () => {
  expect(filesWith(SLEEP)).toEqual(listed('Tests that wait for a time'));
});

test('a test that looks at a clock is listed, with its reason', () => {
  expect(filesWith(CLOCK)).toEqual(listed('Tests that look at a clock'));
});
