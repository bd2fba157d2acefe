/**
 * Whether Node has immediates to run, which an inline loop must not sleep over: half of what handlers
 * begin goes on in one. Those by which inline loops lead are not counted: two loops of one thread
 * would keep each other awake.
 */

/** Immediates by which inline loops lead. */
let leads = 0;

/** Have an inline loop lead in an immediate. */
export function leadSoon(lead: () => void): void {
  leads += 1;
  setImmediate(begin, lead);
}

/** Whether somebody else has an immediate to run. */
export function hasImmediates(): boolean {
  let count = 0;
  for (const kind of process.getActiveResourcesInfo()) if (kind === 'Immediate') count += 1;
  return count > leads;
}

function begin(lead: () => void): void {
  leads -= 1;
  lead();
}
