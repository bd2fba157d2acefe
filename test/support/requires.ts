/**
 * Tests that need something the machine may not have. Where it is missing they are counted as
 * skipped, and their name says what is missing.
 */

type Declare = (name: string, body: jest.ProvidesCallback, timeoutMs?: number) => void;

/** `test`, or a skipped one that says what it needs. */
export function testIf(isThere: boolean, wanted: string): Declare {
  return (name, body, timeoutMs) => {
    if (isThere) test(name, body, timeoutMs);
    else test.skip(`${name} (needs ${wanted})`, body);
  };
}

/** The same for a program, of which `program` is the path; null if it is missing. */
export function testWith(program: string | null, wanted: string): Declare {
  return testIf(program !== null, wanted);
}
