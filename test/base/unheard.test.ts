/** The rule of src/base/unheard.ts, over all emitters of the package. */
import { EventEmitter as NodeEmitter } from 'node:events';
import { EventEmitter } from 'eventemitter3';
import * as face from '../../src';
import { relayErrors, reportFailure, reportPeer, reportTrouble } from '../../src/base/unheard';
import { runTs } from '../support/child';

interface Outcome {
  uncaught: string[];
  warned: string[];
  heard: string[];
  closed: string[];
}

const UNHEARD = 'EPOLL_FFI_UNHEARD';
type Rule = 'uncaught' | 'warned' | 'silent' | 'elsewhere';

/** What fails, what happens without a listener, the code, and whether `close` has the error too. */
const TABLE: [name: string, rule: Rule, code: string, isInClose: boolean][] = [
  ['FdWatcher', 'uncaught', 'EPOLLERR', false],
  ['FdReader', 'uncaught', 'ECONNRESET', false],
  ['FdWriter', 'uncaught', 'EPIPE', false],
  ['DatagramSocket, broken', 'uncaught', 'EBADF', false],
  ['DatagramSocket, no memory', 'warned', 'ENOMEM', false],
  ['DatagramSocket, refused', 'silent', 'ECONNREFUSED', false],
  ['TcpServer, shut down', 'uncaught', 'EINVAL', false],
  ['UnixServer, shut down', 'uncaught', 'EINVAL', false],
  ['WebSocketServer, shut down', 'uncaught', 'EINVAL', false],
  ['TcpServer, full', 'warned', 'EMFILE', false],
  ['WebSocketServer, full', 'warned', 'EMFILE', false],
  ['WebSocketServer, no verdict', 'warned', 'ERR_INVALID_RETURN_VALUE', false],
  ['WebSocketServer, authorize throws', 'uncaught', 'a mistake', false],
  ['WebSocketServer on a TcpServer with a listener', 'elsewhere', 'EINVAL', false],
  ['StreamConnection, accepted', 'silent', 'ECONNRESET', true],
  ['StreamConnection, connected', 'silent', 'ECONNRESET', true],
  ['WebSocketConnection, reset', 'silent', 'ECONNRESET', true],
  ['WebSocketConnection, no mask', 'silent', 'ERR_WEBSOCKET_PROTOCOL', true],
];

let results: Record<string, [unheard: Outcome, heard: Outcome]>;

beforeAll(async () => {
  const child = runTs('test/base/programs/unheard.ts');
  const [line] = await child.printed(/^\{.*\}$/m);
  results = JSON.parse(line);
});

test.each(TABLE)('%s, without a listener: %s', (name, rule, code, isInClose) => {
  const [unheard] = results[name] as [Outcome, Outcome];
  expect(unheard).toMatchObject({
    uncaught: rule === 'uncaught' ? [code] : [],
    warned: rule === 'warned' ? [UNHEARD] : [],
    closed: [isInClose ? code : ''],
  });
});

test.each(TABLE)('%s, with a listener: that alone', (name, _rule, code, isInClose) => {
  const [, heard] = results[name] as [Outcome, Outcome];
  expect(heard).toMatchObject({ uncaught: [], warned: [], closed: [isInClose ? code : ''] });
  // A server that is full is so three times here, and a listener hears each.
  expect([...new Set(heard.heard)]).toEqual([code]);
});

/** The old name of a class, one without the event, and pools: test/cluster has their failures. */
const ELSEWHERE = ['TcpConnection', 'Reactor', 'ReactorPool', 'Prefork'];

test('the table has every emitter: by its own name, or as a source', () => {
  const { FdSource, StreamServer, ...classes } = face;
  const emitters = Object.entries(classes).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof EventEmitter,
  );
  const failOf = (value: unknown): unknown =>
    (value as { prototype: { fail: unknown } }).prototype.fail;
  const missing = emitters
    .filter(([name]) => !ELSEWHERE.includes(name))
    .filter(([name]) => !TABLE.some(([row]) => row.split(/\W/)[0] === name))
    .filter(([, value]) => failOf(value) !== failOf(FdSource))
    .map(([name]) => name);
  expect(missing).toEqual([]);
  expect(emitters.length).toBeGreaterThan(12);
  const nodes = emitters.filter(
    ([, value]) => (value as { prototype: unknown }).prototype instanceof NodeEmitter,
  );
  expect(nodes).toEqual([]);
});

describe('the rule itself', () => {
  const loop = { uncaught: jest.fn() };
  const emitter = (): EventEmitter & { loop: typeof loop } =>
    Object.assign(new EventEmitter(), { loop });
  const error = new Error('failed');
  const thrown = new Error('of a listener');
  const throwing = (): never => {
    throw thrown;
  };
  let warnings: jest.SpyInstance;
  beforeEach(() => {
    loop.uncaught.mockClear();
    warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  });
  afterEach(() => warnings.mockRestore());

  test.each([
    ['reportFailure', reportFailure],
    ['reportTrouble', reportTrouble],
    ['reportPeer', reportPeer],
  ])('%s: what a listener throws is uncaught, and the error is heard', (_name, report) => {
    const one = emitter().on('error', throwing);
    report(one, error);
    expect(loop.uncaught.mock.calls).toEqual([[thrown]]);
    expect(warnings).not.toHaveBeenCalled();
  });

  test('trouble is a warning once in ten seconds, of each emitter', () => {
    const now = jest.spyOn(performance, 'now').mockReturnValue(50_000);
    const [one, other] = [emitter(), emitter()];
    for (let times = 0; times < 3; times += 1) reportTrouble(one, error);
    reportTrouble(other, error);
    expect(warnings).toHaveBeenCalledTimes(2);
    now.mockReturnValue(60_000);
    reportTrouble(one, error);
    expect(warnings).toHaveBeenCalledTimes(3);
    expect(warnings.mock.calls[0]).toEqual([
      'EventEmitter: Error: failed (it goes on; its "error" has no listener)',
      { code: UNHEARD },
    ]);
    now.mockRestore();
  });

  test('a failure that an iterator has thrown is heard', () => {
    reportFailure(emitter(), error, true);
    expect(loop.uncaught).not.toHaveBeenCalled();
  });

  test('an error that is relayed is heard at either end', () => {
    const [below, above, beside] = [emitter(), emitter(), emitter()];
    relayErrors(below, above);
    relayErrors(below, beside);
    const heard = jest.fn();
    above.on('error', heard);
    reportFailure(below, error);
    expect(heard.mock.calls).toEqual([[error]]);
    expect(loop.uncaught).not.toHaveBeenCalled();
    above.off('error', heard);
    reportFailure(below, error);
    expect(loop.uncaught.mock.calls).toEqual([[error]]);
  });
});
