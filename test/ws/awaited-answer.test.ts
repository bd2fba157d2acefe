/** How long a peer may owe an answer: each rule, from both of its sides, by a clock of our own. */
import {
  AwaitedAnswer,
  MAX_MISSED,
  NOTHING_AWAITED,
  OVERDUE,
  type Vitals,
} from '../../src/ws/awaited-answer';

const LIMIT_MS = 100;

let answer: AwaitedAnswer;
let vitals: Vitals;

beforeEach(() => {
  answer = new AwaitedAnswer();
  vitals = { now: 1_000, delivered: 0, received: 0, frame: 0 };
});

/** Look `afterMs` later, with what has changed until then. */
function look(afterMs: number, changes: Partial<Vitals> = {}): number {
  Object.assign(vitals, changes);
  vitals.now += afterMs;
  return answer.look(vitals);
}

test('nothing is awaited before the beginning, nor after the answer', () => {
  expect(look(LIMIT_MS)).toBe(NOTHING_AWAITED);
  answer.begin(LIMIT_MS, 1, vitals);
  answer.answered();
  expect(look(10 * LIMIT_MS)).toBe(NOTHING_AWAITED);
});

describe('delivered', () => {
  test('a silent peer is overdue at the limit, and not before', () => {
    expect(answer.beginDelivered(LIMIT_MS, 0, vitals)).toBe(LIMIT_MS);
    expect(look(LIMIT_MS - 1)).toBe(1);
    expect(look(1)).toBe(OVERDUE);
  });

  test('a peer that sends and does not answer is overdue at the third limit, and not before', () => {
    answer.beginDelivered(LIMIT_MS, 0, vitals);
    for (let missed = 1; missed < MAX_MISSED; missed += 1) {
      expect(look(LIMIT_MS, { received: missed })).toBe(LIMIT_MS);
    }
    expect(look(LIMIT_MS - 1, { received: 1_000 })).toBe(1);
    expect(look(1, { received: 2_000 })).toBe(OVERDUE);
  });

  test('a peer that sent once, and is silent then, is overdue a limit later', () => {
    answer.beginDelivered(LIMIT_MS, 0, vitals);
    expect(look(LIMIT_MS, { received: 1 })).toBe(LIMIT_MS);
    expect(look(LIMIT_MS)).toBe(OVERDUE);
  });

  test('the misses of the last answer do not count for the next', () => {
    for (let round = 0; round < MAX_MISSED + 1; round += 1) {
      answer.beginDelivered(LIMIT_MS, 0, vitals);
      expect(look(LIMIT_MS, { received: vitals.received + 1 })).toBe(LIMIT_MS);
      answer.answered();
    }
  });
});

describe('leaving', () => {
  test('what is behind bytes that move slowly is not overdue, for as long as they do', () => {
    expect(answer.begin(LIMIT_MS, 1_000, vitals)).toBe(LIMIT_MS / 4);
    for (let delivered = 1; delivered < 50; delivered += 1) {
      expect(look(LIMIT_MS - 1, { delivered })).toBe(LIMIT_MS / 4);
    }
    // It is there: from now on there is a limit for the answer.
    expect(look(LIMIT_MS, { delivered: 1_000 })).toBe(LIMIT_MS);
    expect(look(LIMIT_MS)).toBe(OVERDUE);
  });

  test('a peer that reads nothing is overdue at the limit, though it sends', () => {
    answer.begin(LIMIT_MS, 1_000, vitals);
    expect(look(LIMIT_MS - 1, { received: 1_000 })).not.toBe(OVERDUE);
    expect(look(1, { received: 2_000 })).toBe(OVERDUE);
  });
});

describe('in the middle of a frame', () => {
  test.each(['leaving', 'delivered'])('%s: for as long as bytes of it come', (state) => {
    Object.assign(vitals, { frame: 7 });
    if (state === 'leaving') answer.begin(LIMIT_MS, 1_000, vitals);
    else answer.beginDelivered(LIMIT_MS, 0, vitals);
    for (let received = 1; received < 50; received += 1) {
      expect(look(LIMIT_MS, { received })).not.toBe(OVERDUE);
    }
    expect(look(LIMIT_MS)).toBe(OVERDUE);
  });

  test('the next frames are no excuse', () => {
    Object.assign(vitals, { frame: 7 });
    answer.beginDelivered(LIMIT_MS, 0, vitals);
    expect(look(LIMIT_MS, { received: 10 })).toBe(LIMIT_MS);
    for (let missed = 1; missed < MAX_MISSED; missed += 1) {
      expect(look(LIMIT_MS, { received: 10 + missed, frame: 7 + missed })).toBe(LIMIT_MS);
    }
    expect(look(LIMIT_MS, { received: 99, frame: 99 })).toBe(OVERDUE);
  });

  test('the frame that is under way when the ping arrives is one', () => {
    answer.begin(LIMIT_MS, 1, vitals);
    expect(look(1, { delivered: 1, frame: 3 })).toBe(LIMIT_MS);
    for (let received = 1; received < 50; received += 1) {
      expect(look(LIMIT_MS, { received })).not.toBe(OVERDUE);
    }
  });
});

test('the time in which we did not read does not count', () => {
  answer.beginDelivered(LIMIT_MS, 0, vitals);
  for (let round = 0; round < 10; round += 1) {
    vitals.now += LIMIT_MS;
    expect(answer.excuse(vitals)).toBe(LIMIT_MS);
  }
  expect(look(LIMIT_MS)).toBe(OVERDUE);
});
