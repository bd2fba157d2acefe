/** The events of a connection, in order. */
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { until } from '../../support/until';

/** Everything that a connection tells, in order. */
export function record(connection: TcpConnection): string[] {
  const log: string[] = [];
  connection.on('data', (chunk) => log.push(`data ${chunk}`));
  connection.on('end', () => log.push('end'));
  connection.on('error', (error) => log.push(`error ${(error as NodeJS.ErrnoException).code}`));
  connection.on('close', (error) => log.push(`close ${(error as NodeJS.ErrnoException)?.code}`));
  return log;
}

/** Some turns of Node's loop: what was to follow has followed. */
export async function someTurns(): Promise<void> {
  let turns = 0;
  await until(() => {
    turns += 1;
    return turns > 20;
  });
}
