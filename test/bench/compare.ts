/** Figures of several contenders over several rounds, put together as rows and ratios. */
import { median, type Report, type Row } from './report';

/** What one round of one contender gave. */
export interface Figures {
  rate: number;
  cpuSeconds: number;
  perCpuSecond: number;
  p50Us: number;
  p99Us: number;
}

/** The rounds of each contender, ours first; in each round they came one after the other. */
export type Rounds = Map<string, Figures[]>;

/** Ratios to tell: what stands behind the case's name, and the figure that is divided. */
export type RatioFields = Record<string, keyof Figures>;

/** Medians as rows; and the medians of the ratios within each round, ours to each of the others. */
export function summarize(
  name: string,
  rounds: Rounds,
  fields: RatioFields,
  unit?: string,
): Pick<Report, 'rows' | 'ratios'> {
  const rows = rowsOf(name, rounds, unit);
  const [[ours, own] = ['', []], ...others] = rounds;
  const ratios: Report['ratios'] = {};
  for (const [other, theirs] of others) {
    for (const [label, field] of Object.entries(fields)) {
      const each = own.map((figures, round) => figures[field] / (theirs[round]?.[field] ?? NaN));
      ratios[`${name}${label} ${ours}/${other}`] = median(each);
    }
  }
  return { rows, ratios };
}

/** Medians over the rounds. */
export function rowsOf(name: string, rounds: Rounds, unit?: string): Row[] {
  return [...rounds].map(([contender, figures]) => {
    const of = (field: keyof Figures): number => median(figures.map((each) => each[field]));
    return {
      case: name,
      contender,
      ...(unit === undefined ? {} : { unit }),
      rate: of('rate'),
      cpuSeconds: of('cpuSeconds'),
      perCpuSecond: of('perCpuSecond'),
      p50Us: of('p50Us'),
      p99Us: of('p99Us'),
    };
  });
}
