import { SpinBudget } from '../../src/loop/spin-budget';

test('a spin lasts as long as the budget, from the last event on', () => {
  const spin = new SpinBudget(100);
  spin.found(1_000);
  expect(spin.allows(1_000.05)).toBe(true);
  expect(spin.allows(1_000.1)).toBe(false);
});

test('late wake-ups halve the budget down to nothing', () => {
  const spin = new SpinBudget(100);
  const budgets: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    spin.handedOver(0);
    spin.woken(5);
    budgets.push(spin.budgetUs);
  }
  expect(budgets).toEqual([50, 25, 12.5, 0, 0]);
  spin.found(10);
  expect(spin.allows(10)).toBe(false);
});

test('soon wake-ups double it again up to its limit', () => {
  const spin = new SpinBudget(100);
  for (let round = 0; round < 5; round += 1) {
    spin.handedOver(0);
    spin.woken(5);
  }
  const budgets: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    spin.handedOver(0);
    spin.woken(0.06);
    budgets.push(Math.round(spin.budgetUs));
  }
  expect(budgets).toEqual([10, 20, 40, 80, 100]);
});

test('a limit of 0 never spins', () => {
  const spin = new SpinBudget(0);
  spin.found(5);
  expect(spin.allows(5)).toBe(false);
  spin.handedOver(5);
  spin.woken(5.01);
  expect(spin.budgetUs).toBe(0);
});
