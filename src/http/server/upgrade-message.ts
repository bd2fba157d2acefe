/**
 * Which requests node:http is to hand over as upgrades. By itself, it hands over every one that has
 * an `Upgrade` header as soon as somebody listens; but curl and Java clients offer `h2c` with each
 * plain GET, which a server that does not speak it must answer (RFC 9110, section 7.8). node:http
 * asks the property `upgrade` of the request when the head is there, so that decides.
 */
import { IncomingMessage } from 'node:http';

/** What the parser said; the property of that name answers with the decision. */
const parsed = Symbol('upgrade');

type Parsed = IncomingMessage & { [parsed]?: boolean | null };

/** A class of requests: of those that may be upgrades, `decide` says which are. CONNECT always is. */
export function upgradeMessage(
  base: typeof IncomingMessage | undefined,
  decide: (request: IncomingMessage) => boolean,
): typeof IncomingMessage {
  const derived = class extends (base ?? IncomingMessage) {};
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
