/**
 * What a server is measured by: (a) messages, (b) connections, (c) files, (d) fairness, (e) memory,
 * (f) small requests of HTTP, (g) an honest client among strangers.
 * Ours, level- and edge-triggered, against node:net or node:http, and what is written in C beside it.
 */
import { type RatioFields, rowsOf } from './compare';
import { contend, type Effort, hold, present } from './contest';
import { echoServers, messages } from './echo';
import { files } from './files';
import { idle } from './memory';
import { compile, script } from './programs';
import { describeMachine, median, type Report } from './report';
import { strangers } from './strangers';

const KIB = 1024;
const PER_CPU_SECOND: RatioFields = { '': 'perCpuSecond' };
/** Connections under way at a time while connections are counted. */
const DIALLED = 64;
const PINGERS = 99;
const PING_BYTES = 64;
/** Small requests: over so many connections, so many under way on each, with so long a body. */
const REQUESTS = {
  'small requests, 64 connections': [64, 1, 0],
  'small requests, 1 connection': [1, 1, 0],
  'small requests, 1000 connections': [1_000, 1, 0],
  'small requests, pipelined by tens': [64, 10, 0],
  'small requests, with bodies of 100 B': [64, 1, 100],
};

/** One measurement: its name, and what it gives. */
interface Case {
  name: string;
  measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>>;
}

export async function net(effort: Effort): Promise<Report> {
  const report: Report = { suite: 'net', machine: describeMachine(), rows: [], ratios: {} };
  for (const { name, measure } of cases().filter((one) => one.name.includes(effort.only))) {
    console.log(name);
    const { rows, ratios } = await measure(effort);
    report.rows.push(...rows);
    Object.assign(report.ratios, ratios);
  }
  return report;
}

function cases(): Case[] {
  const echoes = [64, KIB, 16 * KIB].flatMap((bytes) =>
    [50, 1_000].map((connections) => echoCase(bytes, connections)),
  );
  const accepts = [
    acceptCase('accept, one message, close', PING_BYTES),
    acceptCase('accept, close', 0),
  ];
  return [
    ...echoes,
    ...accepts,
    ...files(),
    fairnessCase(),
    ...idle(),
    ...Object.entries(REQUESTS).map(([name, load]) => requestCase(name, load)),
    ...strangers(),
  ];
}

function echoCase(bytes: number, connections: number): Case {
  const name = `echo ${bytes} B, ${connections} connections`;
  const measure = (effort: Effort) => {
    const load = { program: messages(), args: [connections, bytes] };
    const contest = { name, unit: 'messages', load, contenders: echoServers() };
    return hold({ ...contest, ratios: PER_CPU_SECOND }, effort);
  };
  return { name, measure };
}

function acceptCase(name: string, bytes: number): Case {
  const measure = (effort: Effort) => {
    const program = compile('loads/connects.c');
    if (program === null) return withoutCompiler();
    const load = { program, args: [DIALLED, bytes] };
    const contest = { name, unit: 'connections', load, contenders: echoServers() };
    return hold({ ...contest, ratios: PER_CPU_SECOND }, effort);
  };
  return { name, measure };
}

function requestCase(name: string, args: number[]): Case {
  const measure = (effort: Effort) => {
    const program = compile('loads/requests.c');
    if (program === null) return withoutCompiler();
    const contenders = {
      ours: script('servers/http-ours.ts'),
      'node:http': script('servers/http-node.ts'),
    };
    const load = { program, args };
    return hold({ name, unit: 'requests', load, contenders, ratios: PER_CPU_SECOND }, effort);
  };
  return { name, measure };
}

/** Each server twice, alone and with a flooder: rounds of both alternate as those of contenders do. */
function fairnessCase(): Case {
  const name = `${PINGERS} pingers`;
  const measure = async (effort: Effort) => {
    const program = compile('loads/pingers.c');
    if (program === null) return withoutCompiler();
    const entrants = [0, 1].flatMap((flooders) =>
      present(echoServers(), { program, args: [PINGERS, PING_BYTES, flooders] }).map((one) => ({
        ...one,
        name: flooders > 0 ? flooded(one.name) : one.name,
      })),
    );
    const samples = await contend(entrants, effort);
    const ratios: Report['ratios'] = {};
    for (const [contender, alone] of samples) {
      const beside = samples.get(flooded(contender));
      if (beside === undefined) continue;
      const each = beside.map(({ p99Us }, round) => p99Us / (alone[round]?.p99Us ?? Number.NaN));
      ratios[`${name} p99 ${flooded(contender)}/${contender}`] = median(each);
    }
    return { rows: rowsOf(name, samples, 'pings'), ratios };
  };
  return { name, measure };
}

function flooded(contender: string): string {
  return `${contender}, and a flooder`;
}

async function withoutCompiler(): Promise<Pick<Report, 'rows' | 'ratios'>> {
  console.warn('without a C compiler there is no client for this');
  return { rows: [], ratios: {} };
}
