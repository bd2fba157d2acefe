/**
 * What threads cost and give. One file for each case, in the folder threads/.
 *
 * The load client shares the cores with what is measured. So compare work per CPU-second, and latencies
 * within a round.
 */
import type { Effort } from './contest';
import { describeMachine, type Report } from './report';
import { acceptWakeUps } from './threads/accept-wake-ups';
import { echoOnCores } from './threads/echo-on-cores';
import { handOver } from './threads/hand-over';
import { idleLatency } from './threads/idle-latency';
import { slowTasks } from './threads/slow-tasks';
import type { ThreadsCase } from './threads/threads-case';

const CASES: ThreadsCase[] = [slowTasks, acceptWakeUps, echoOnCores, idleLatency, handOver];

export async function threads(effort: Effort): Promise<Report> {
  const report: Report = { suite: 'threads', machine: describeMachine(), rows: [], ratios: {} };
  for (const { name, measure } of CASES.filter((one) => one.name.includes(effort.only))) {
    console.log(name);
    const { rows, ratios } = await measure(effort);
    report.rows.push(...rows);
    Object.assign(report.ratios, ratios);
  }
  return report;
}
