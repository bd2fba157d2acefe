/**
 * The body of a process of a pool: loads the user's module, calls its `start`, and drains when it is to
 * end: because the pool says so, because the pool is gone, or by SIGTERM.
 *
 * SIGINT and SIGHUP come to all processes of a terminal; here they mean nothing, because the pool
 * answers them.
 */
import { F_SETFD, FD_CLOEXEC } from '../../sys/constants';
import { fcntl } from '../../sys/io';
import { functionOf, loadModule } from '../user-module';
import {
  type Envelope,
  type FromChild,
  opened,
  SETUP_VARIABLE,
  type Setup,
  type ToChild,
} from './protocol';
import { PreforkWorker, type StopFunction } from './worker';

const setup = JSON.parse(process.env[SETUP_VARIABLE] ?? '') as Setup;
delete process.env[SETUP_VARIABLE];
const worker = new PreforkWorker(setup, (value) => post({ type: 'message', value }));
let stop: StopFunction | null = null;
let isDraining = false;

for (const endpoint of setup.endpoints) {
  // Processes that this one starts must not hold the listener.
  if ('fd' in endpoint) fcntl(endpoint.fd, F_SETFD, FD_CLOEXEC);
}
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.on('SIGTERM', () => void drain(setup.deadlineMs, false));
process.on('disconnect', () => void drain(setup.deadlineMs, true));
process.on('message', (message) => onMessage(opened<ToChild>(message)));
void start();

async function start(): Promise<void> {
  try {
    const exports = await loadModule(setup.module);
    const begin = functionOf<(worker: PreforkWorker) => unknown>(exports, 'start');
    if (begin === undefined) return fail('exports no function "start"', '');
    const answer = await begin(worker);
    if (typeof answer === 'function') stop = answer as StopFunction;
  } catch (error) {
    const { message = String(error), stack = '' } = error as Partial<Error>;
    return fail(`cannot be started: ${message}`, stack);
  }
  post({ type: 'online' });
}

/** End with code 1, once the pool knows why. */
function fail(reason: string, stack: string): void {
  post({ type: 'failed', reason, stack }, () => process.exit(1));
}

function post(message: FromChild, done: () => void = () => {}): void {
  const envelope: Envelope<FromChild> = { epollFfi: message };
  if (process.connected) process.send?.(envelope, done);
  else done();
}

function onMessage(message: ToChild | null): void {
  switch (message?.type) {
    case 'stop':
      return void drain(message.deadlineMs, message.isLast);
    case 'stats':
      return post({ type: 'stats', id: message.id, stats: worker.stats() });
    case 'message':
      worker.emit('message', message.value);
  }
}

async function drain(deadlineMs: number, isLast: boolean): Promise<void> {
  if (isDraining) return;
  isDraining = true;
  let code = 0;
  try {
    await Promise.all([worker.drain(deadlineMs, isLast), stop?.({ deadlineMs })]);
  } catch (error) {
    code = 1;
    process.emitWarning(`a process of a pool did not drain: ${error}`);
  }
  // It has nothing else to do, and an interval of the user's must not hold it.
  process.exit(code);
}
