/** Mount namespaces for the tests, where the machine permits them. */
import { spawnSync } from 'node:child_process';
import { findProgram } from './programs';
import { testWith } from './requires';

/** The command that runs another with mounts of its own. */
export const IN_MOUNT_NAMESPACE = ['unshare', '-rm'];

const [unshare = '', ...args] = [...IN_MOUNT_NAMESPACE, 'mount', '-t', 'tmpfs', 'none', '/mnt'];
const mayMount = findProgram(unshare) !== null && spawnSync(unshare, args).status === 0;

/** `test`, or a skipped one where no mount namespace can be had. */
export const testMounting = testWith(mayMount ? unshare : null, 'a mount namespace of its own');
