/** Network namespaces for the tests, where the machine lets us have them. */
import { spawnSync } from 'node:child_process';
import { findProgram } from './programs';

/** The command that runs another in a new network namespace; null where that is not permitted. */
export const IN_NAMESPACE: string[] | null = find();

function find(): string[] | null {
  if (findProgram('ip') === null) return null;
  const commands = [
    ['unshare', '-n'],
    ['unshare', '-rn'],
  ];
  for (const command of commands) {
    const script = 'ip link add v0 type veth peer name v1';
    const { status } = spawnSync(command[0] as string, [...command.slice(1), 'sh', '-c', script]);
    if (status === 0) return command;
  }
  return null;
}
