/**
 * Changes of the network: links up and down, addresses added and removed.
 *
 *   run    npx ts-node examples/link-monitor.ts
 *   then   pull a cable, or, without harm to your network, in a namespace of its own:
 *          sudo unshare -n sh -c '(sleep 9; ip link set lo up) & npx ts-node examples/link-monitor.ts'
 *   see    the existing links and addresses, then a line for each change
 *   end    Ctrl-C
 */
import { RouteMonitor, type RouteRecord } from '../src';

const monitor = new RouteMonitor();
const names = new Map<number, string>();

monitor.on('change', (record) => console.log(lineOf(record)));
process.once('SIGINT', () => monitor.close());

function lineOf(record: RouteRecord): string {
  switch (record.kind) {
    case 'link': {
      names.set(record.index, record.name);
      const state = record.running ? 'running' : record.up ? 'up, no carrier' : 'down';
      return `${record.name}: ${state}, mtu ${record.mtu}`;
    }
    case 'linkGone':
      names.delete(record.index);
      return `${record.name}: removed`;
    case 'address':
    case 'addressGone': {
      const sign = record.kind === 'address' ? '+' : '-';
      return `${names.get(record.index)}: ${sign}${record.address}/${record.prefixLength}`;
    }
    case 'synced':
      return 'that is all; now what changes:';
    case 'overflow':
      names.clear();
      return 'too many changes at once; once more from the start:';
  }
}
