/**
 * The body of a reactor's thread: loads the user's module, calls its `start`, and does what the pool asks.
 *
 * Until koffi is loaded the thread must not be ended from outside: see base/loading-threads.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { markLoaded } from '../../base/loading-threads';
import { messageOf, portable } from '../errors';
import { functionOf, loadModule } from '../user-module';
import type { FromReactor, ReactorThreadData, ToReactor } from './protocol';
import { Reactor, type Stoppable } from './reactor';

type Start = (reactor: Reactor) => Stoppable | undefined | Promise<Stoppable | undefined>;

const setup = workerData as ReactorThreadData;
markLoaded(setup.progress);

const port = parentPort as NonNullable<typeof parentPort>;
let reactor: Reactor | null = null;
let user: Stoppable | undefined;
let isStopping = false;

function post(message: FromReactor): void {
  port.postMessage(message);
}

async function main(): Promise<void> {
  let start: Start | undefined;
  try {
    start = functionOf<Start>(await loadModule(setup.module), 'start');
  } catch (thrown) {
    return fail(`cannot be loaded: ${messageOf(thrown)}`, thrown);
  }
  if (start === undefined) return fail('exports no function "start"', undefined);
  reactor = new Reactor(setup, post);
  Atomics.store(setup.connections, setup.seat, 0);
  port.on('message', onMessage);
  try {
    user = (await start(reactor)) ?? undefined;
  } catch (thrown) {
    return fail(`its start() threw: ${messageOf(thrown)}`, thrown);
  }
  post({ type: 'started' });
}

function fail(reason: string, thrown: unknown): void {
  post({ type: 'failed', reason, thrown: portable(thrown) });
  process.exit(1);
}

function onMessage(message: ToReactor): void {
  if (reactor === null) return;
  switch (message.type) {
    case 'message':
      reactor.emit('message', message.value);
      break;
    case 'stats':
      post({ type: 'stats', id: message.id, stats: reactor.stats() });
      break;
    case 'stop':
      if (isStopping) reactor.hasten(message.deadlineMs);
      else void stop(message.deadlineMs, message.isLast);
      break;
  }
}

/** An exception of the user's is uncaught, and so a crash. */
async function stop(deadlineMs: number, isLast: boolean): Promise<void> {
  isStopping = true;
  const [result] = await Promise.all([reactor?.stop(deadlineMs, isLast), user?.stop?.()]);
  post({ type: 'stopped', ended: 0, cut: 0, ...result });
  // The rest of what the user left open must not keep the thread.
  setImmediate(() => process.exit(0));
}

void main();
