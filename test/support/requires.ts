/**
 * Tests that need something the machine may not have. Where it is missing they are counted as
 * skipped, and their name says what is missing.
 */
/** `test`, or a skipped one that says which program it needs. */
export function testWith(
  program: string | null,
  wanted: string,
): (name: string, body: jest.ProvidesCallback, timeoutMs?: number) => void {
  return (name, body, timeoutMs) => {
    if (program !== null) test(name, body, timeoutMs);
    else test.skip(`${name} (needs ${wanted})`, body);
  };
}
