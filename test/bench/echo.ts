/** TCP echo of 64 bytes: ours, node:net, and an epoll server in C. */
import { type Effort, hold } from './contest';
import { type Command, compile, script } from './programs';
import { describeMachine, type Report } from './report';

const BYTES = 64;

/** The echo servers, ours first. */
export function echoServers(): Record<string, Command | null> {
  return {
    ours: script('servers/ours.ts'),
    'ours, edge': [...script('servers/ours.ts'), 'edge'] satisfies Command,
    'node:net': script('servers/node-net.ts'),
    C: compile('servers/echo.c'),
  };
}

/** The client of an echo server. */
export function messages(): Command {
  return compile('loads/messages.c') ?? script('loads/messages.ts');
}

export async function echo(effort: Effort): Promise<Report> {
  const report: Report = { suite: 'echo', machine: describeMachine(), rows: [], ratios: {} };
  const contenders = echoServers();
  const program = messages();
  for (const connections of [1, 50, 1_000]) {
    const name = connections === 1 ? '1 connection' : `${connections} connections`;
    if (!name.includes(effort.only)) continue;
    const load = { program, args: [connections, BYTES] };
    // Of work per CPU-second; and of the latency, where one client waits for one answer.
    const latency = connections === 1 ? { ' p50': 'p50Us' as const } : {};
    const ratios = { '': 'perCpuSecond' as const, ...latency };
    const { rows, ratios: found } = await hold({ name, load, contenders, ratios }, effort);
    report.rows.push(...rows);
    Object.assign(report.ratios, found);
  }
  return report;
}
