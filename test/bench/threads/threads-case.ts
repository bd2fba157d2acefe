/** What a case of the suite `threads` is. */
import type { Effort } from '../contest';
import type { Report } from '../report';

/** One measurement: its name, and what it gives. */
export interface ThreadsCase {
  name: string;
  measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>>;
}
