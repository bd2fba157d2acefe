/**
 * Whether Node has immediates to run. An inline loop must not sleep then, because handlers often
 * continue in one. Immediates in which inline loops lead are not counted: two loops of one thread
 * would keep each other awake.
 */

/** Immediates in which inline loops lead. */
let leads = 0;

/** Let an inline loop lead in an immediate. */
export function leadSoon(lead: () => void): void {
  leads += 1;
  setImmediate(begin, lead);
}

/** Whether other code has an immediate to run. */
export function hasImmediates(): boolean {
  let count = 0;
  for (const kind of process.getActiveResourcesInfo()) if (kind === 'Immediate') count += 1;
  return count > leads;
}

function begin(lead: () => void): void {
  leads -= 1;
  lead();
}
