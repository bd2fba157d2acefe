/** TCP echo of 64 bytes: ours, node:net, and an epoll server in C. */
import { type Effort, hold } from './contest';
import { type Command, compile, script } from './programs';
import type { Report } from './report';

const BYTES = 64;

export function echo(effort: Effort): Promise<Report> {
  const contenders = {
    ours: script('servers/ours.ts'),
    'ours, edge': [...script('servers/ours.ts'), 'edge'] satisfies Command,
    'node:net': script('servers/node-net.ts'),
    C: compile('servers/echo.c'),
  };
  const cases = [1, 50, 1_000].map((connections) => ({
    name: connections === 1 ? '1 connection' : `${connections} connections`,
    connections,
    bytes: BYTES,
  }));
  return hold({ suite: 'echo', cases, contenders }, effort);
}
