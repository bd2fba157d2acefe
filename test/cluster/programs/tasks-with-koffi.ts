/** A task module that loads koffi into its thread. */
import { Epoll } from '../../../src/epoll/epoll';

export function run(): boolean {
  return new Epoll().closed;
}
