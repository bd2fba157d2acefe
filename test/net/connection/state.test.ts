import { CLOSED, type ConnectionState, OPEN } from '../../../src/net/connection/state';

const EVENTS = {
  pause: (state: ConnectionState) => state.paused(),
  resume: (state: ConnectionState) => state.resumed(),
  'FIN found': (state: ConnectionState) => state.endFound(),
  'error found': (state: ConnectionState) => state.errorFound(),
  'FIN delivered': (state: ConnectionState) => state.endDelivered(),
  end: (state: ConnectionState) => state.endAsked(),
  'FIN sent': (state: ConnectionState) => state.endSent(),
  'write failed': (state: ConnectionState) => state.writeFailed(),
};
const nameOf = ({ reading, writing }: ConnectionState): string => `${reading}/${writing}`;

/** Every state that is reached from OPEN, by any events in any order. */
function reachable(): ConnectionState[] {
  const found = new Set([OPEN]);
  for (const state of found) for (const event of Object.values(EVENTS)) found.add(event(state));
  return [...found];
}

test('an event changes one half only, and these are all changes there are', () => {
  const changes = new Set<string>();
  for (const state of reachable()) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const next = event(state);
      if (next === state) continue;
      const isReading = next.reading !== state.reading;
      expect(isReading).not.toBe(next.writing !== state.writing);
      const [from, to] = isReading ? [state.reading, next.reading] : [state.writing, next.writing];
      changes.add(`${name}: ${from} > ${to}`);
    }
  }
  expect([...changes].sort()).toEqual(
    [
      'pause: flowing > paused',
      'pause: ending > paused',
      'resume: paused > flowing',
      'FIN found: flowing > ending',
      'error found: flowing > failing',
      'error found: ending > breaking',
      'FIN delivered: ending > ended',
      'FIN delivered: breaking > ended',
      'end: open > finishing',
      'FIN sent: finishing > finished',
      'write failed: open > failed',
      'write failed: finishing > failed',
    ].sort(),
  );
});

test('all pairs are reached, and each is one object, whatever way leads there', () => {
  const names = reachable().map(nameOf);
  expect(names).toHaveLength(6 * 4);
  expect(new Set(names).size).toBe(names.length);
});

test('nothing leads out of the closed state', () => {
  for (const event of Object.values(EVENTS)) expect(event(CLOSED)).toBe(CLOSED);
  const { closed, flowing, writable, sends } = CLOSED;
  expect({ closed, flowing, writable, sends }).toEqual({
    closed: true,
    flowing: false,
    writable: false,
    sends: false,
  });
});
