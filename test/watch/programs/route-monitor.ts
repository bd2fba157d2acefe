/**
 * Tells what a RouteMonitor tells, a JSON line a record; run by route-monitor.test.ts in a network
 * namespace of its own. Each line of stdin is a command of ip(8). "listen" and "ignore" start and stop
 * the listening, "many COUNT" gives the loopback as many addresses at once.
 */
import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { RouteMonitor, type RouteRecord } from '../../../src/watch/sources/route-monitor';

const options = JSON.parse(process.argv[2] ?? '{}');
const monitor = new RouteMonitor(options);
const tell = (record: RouteRecord): void => console.log(JSON.stringify(record));
monitor.on('change', tell);

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const [word = '', ...words] = line.split(' ');
  if (word === 'listen') monitor.on('change', tell);
  else if (word === 'ignore') monitor.off('change', tell);
  else if (word === 'many') {
    const batch = Array.from(
      { length: Number(words[0]) },
      (_, index) => `addr add 10.1.${index >> 8}.${index & 255}/32 dev lo`,
    );
    execFileSync('ip', ['-batch', '-'], { input: batch.join('\n') });
  } else execFileSync('ip', [word, ...words]);
  console.log(JSON.stringify({ done: line }));
});
input.on('close', () => monitor.close());
