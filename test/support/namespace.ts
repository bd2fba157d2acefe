/** Network namespaces for the tests, where the machine lets us have them. */
import { spawnSync } from 'node:child_process';
import { findProgram } from './programs';

const ADD_VETH = 'ip link add v0 type veth peer name v1';

/** The command that runs another in a new network namespace; null where that is not permitted. */
export const IN_NAMESPACE: string[] | null = find(ADD_VETH);

/** As {@link IN_NAMESPACE}; null also where the namespace's sysctls cannot be set. */
export const IN_NAMESPACE_WITH_SYSCTLS: string[] | null = find(
  `${ADD_VETH} && echo 1 > /proc/sys/net/ipv4/tcp_syn_retries`,
);

function find(script: string): string[] | null {
  if (findProgram('ip') === null) return null;
  const commands = [
    ['unshare', '-n'],
    ['unshare', '-rn'],
  ];
  for (const command of commands) {
    const { status } = spawnSync(command[0] as string, [...command.slice(1), 'sh', '-c', script]);
    if (status === 0) return command;
  }
  return null;
}
