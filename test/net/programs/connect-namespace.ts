/**
 * Connects to where nothing is, in a network namespace made for it; run by connect.test.ts, which
 * says what the addresses are. Prints what came of it.
 */
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { TcpServer } from '../../../src/net/server/tcp-server';
import type { SystemError } from '../../../src/sys/errno';

async function outcome(host: string, connectTimeoutMs = 0): Promise<SystemError> {
  try {
    await connect({ host, port: 80, connectTimeoutMs });
  } catch (error) {
    return error as SystemError;
  }
  throw new Error(`${host} has answered`);
}

const where = ({ code, address, port }: SystemError): string => `${code} ${address}:${port}`;

/** Where it was, and the first words of why. */
const why = (error: SystemError): string =>
  `${where(error)} ${/: (connection timed out|no answer)/.exec(error.message)?.[1]}`;

async function usePorts(): Promise<string[]> {
  using server = new TcpServer({ port: 40_000 });
  const open: TcpConnection[] = [];
  const told: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    try {
      open.push(await connect({ port: server.port }));
      told.push('connected');
    } catch (error) {
      told.push((error as SystemError).code);
    }
  }
  for (const connection of open) connection.destroy();
  return told;
}

async function main(): Promise<void> {
  const [noRoute, unreachable, noNeighbour, kernelGaveUp, weGaveUp] = await Promise.all([
    outcome('192.0.2.1'),
    outcome('10.78.0.1'),
    outcome('10.77.0.3'),
    outcome('10.77.0.2'),
    outcome('10.77.0.2', 100),
  ]);
  const ports = await usePorts();
  console.log(
    JSON.stringify({
      noRoute: where(noRoute),
      unreachable: where(unreachable),
      noNeighbour: where(noNeighbour),
      kernelGaveUp: why(kernelGaveUp),
      weGaveUp: why(weGaveUp),
      ports,
    }),
  );
}

void main();
