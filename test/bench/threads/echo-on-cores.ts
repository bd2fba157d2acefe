/**
 * TCP echo with 50 connections: two reactors, two workers of node:cluster, and one reactor, which shows the
 * cost of the second thread. The reactors accept by `reuseport`, which spreads the connections about evenly,
 * as node:cluster does. With `exclusive` most of them land in one thread, so its figure is that of one reactor.
 * The load waits for each answer in turn: neither it nor a server is busy all the time.
 */
import { summarize } from '../compare';
import type { Effort } from '../contest';
import { messages } from '../echo';
import { type Command, script } from '../programs';
import type { Report } from '../report';
import { takeTurns } from './rounds';
import type { ThreadsCase } from './threads-case';

const CONNECTIONS = 50;
const BYTES = 64;
const NAME = `echo on cores ${BYTES} B, ${CONNECTIONS} connections`;

/** The case. */
export const echoOnCores: ThreadsCase = { name: NAME, measure };

async function measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const reactors = script('servers/reactors.ts');
  const servers = {
    '2 reactors': [...reactors, 'echo', '2', 'reuseport', 'thread'] satisfies Command,
    '2 of node:cluster': [...script('servers/node-cluster.ts'), '2'] satisfies Command,
    '1 reactor': [...reactors, 'echo', '1', 'reuseport', 'thread'] satisfies Command,
  };
  const load = { program: messages(), args: [CONNECTIONS, BYTES] };
  const rounds = await takeTurns(servers, load, effort);
  return summarize(NAME, rounds, { '': 'perCpuSecond' }, 'messages');
}
