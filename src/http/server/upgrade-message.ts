/**
 * Which requests node:http is to hand over as upgrades. By itself, it hands over every one that has
 * an `Upgrade` header as soon as there is a listener; but curl and Java clients offer `h2c` with each
 * plain GET, which a server that does not speak it must answer (RFC 9110, section 7.8). node:http
 * asks the property `upgrade` of the request when the head is there, so that decides.
 *
 * Where the base is node's own, the derived class is written as a function, as that one is. V8 cannot
 * compile a `class` derived from it: each attempt ends with "Bailed out due to dependency change", and
 * the next one begins at once, which took a tenth of the CPU time of a small request.
 */
import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** The parser's own value; the property of that name answers with the decision. */
const parsed = Symbol('upgrade');

type Parsed = IncomingMessage & { [parsed]?: boolean | null };

/** A class of requests: of those that may be upgrades, `decide` says which are. CONNECT always is. */
export function upgradeMessage(
  base: typeof IncomingMessage | undefined,
  decide: (request: IncomingMessage) => boolean,
): typeof IncomingMessage {
  const derived = base === undefined ? derivedOfNode() : class extends base {};
  Object.defineProperty(derived.prototype, 'upgrade', {
    configurable: true,
    get(this: Parsed) {
      const value = this[parsed];
      return value === true && this.method !== 'CONNECT' ? decide(this) : value;
    },
    set(this: Parsed, value: boolean | null) {
      this[parsed] = value;
    },
  });
  Object.defineProperty(derived, 'name', { value: (base ?? IncomingMessage).name });
  return derived;
}

/** A class derived from node's. */
function derivedOfNode(): typeof IncomingMessage {
  if (isClass(IncomingMessage)) return class extends IncomingMessage {};
  function Derived(this: IncomingMessage, socket: Socket): void {
    IncomingMessage.call(this as never, socket);
  }
  Object.setPrototypeOf(Derived, IncomingMessage);
  Object.setPrototypeOf(Derived.prototype, IncomingMessage.prototype);
  return Derived as unknown as typeof IncomingMessage;
}

/** Whether it is written as a class, which cannot be called without `new`. */
function isClass(base: object): boolean {
  return Function.prototype.toString.call(base).startsWith('class');
}
