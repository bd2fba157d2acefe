/**
 * A chat room: who is there, what was said, and what a client may say.
 *
 * A client sends `{ "type": "join", "name": "Ada" }` and then `{ "type": "say", "text": "..." }`;
 * everything else is refused with a close frame (1008).
 */
import { z } from 'zod';
import type { WebSocketConnection, WebSocketServer } from '../../src';

const HISTORY = 50;
const CLOSE_POLICY_VIOLATION = 1008;

const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('join'), name: z.string().trim().min(1).max(30) }),
  z.strictObject({ type: z.literal('say'), text: z.string().trim().min(1).max(500) }),
]);

/** Something that was said. */
interface Line {
  name: string;
  text: string;
  at: number;
}

export class Room {
  readonly #server: WebSocketServer;
  readonly #names = new Map<WebSocketConnection, string>();
  readonly #history: Line[] = [];
  #messages = 0;

  constructor(server: WebSocketServer) {
    this.#server = server;
  }

  /** A new socket: it has no name yet, and sees what was said before. */
  welcome(socket: WebSocketConnection): void {
    socket.on('message', (data, isBinary) =>
      this.#onMessage(socket, isBinary ? '' : data.toString()),
    );
    socket.on('close', () => this.#leave(socket));
    socket.send(
      JSON.stringify({ type: 'welcome', people: this.#people(), history: this.#history }),
    );
  }

  /** Tell everybody. */
  tell(message: object): void {
    this.#server.broadcast(JSON.stringify(message));
  }

  /** How many messages came since the last call. */
  takeMessageCount(): number {
    const count = this.#messages;
    this.#messages = 0;
    return count;
  }

  #onMessage(socket: WebSocketConnection, text: string): void {
    this.#messages += 1;
    const message = parse(text);
    const name = this.#names.get(socket);
    if (message?.type === 'join' && name === undefined) this.#join(socket, message.name);
    else if (message?.type === 'say' && name !== undefined) this.#say(name, message.text);
    else socket.close(CLOSE_POLICY_VIOLATION, 'this is not how we talk here');
  }

  #join(socket: WebSocketConnection, wanted: string): void {
    const name = this.#freeName(wanted);
    this.#names.set(socket, name);
    socket.send(JSON.stringify({ type: 'you', name }));
    this.tell({ type: 'joined', name, people: this.#people() });
  }

  #say(name: string, text: string): void {
    const line = { name, text, at: Date.now() };
    this.#history.push(line);
    if (this.#history.length > HISTORY) this.#history.shift();
    this.tell({ type: 'said', ...line });
  }

  #leave(socket: WebSocketConnection): void {
    const name = this.#names.get(socket);
    if (name === undefined) return;
    this.#names.delete(socket);
    this.tell({ type: 'left', name, people: this.#people() });
  }

  #people(): string[] {
    return [...this.#names.values()];
  }

  /** "Ada", or "Ada 2" if there is one already. */
  #freeName(wanted: string): string {
    const taken = new Set(this.#names.values());
    let name = wanted;
    for (let number = 2; taken.has(name); number += 1) name = `${wanted} ${number}`;
    return name;
  }
}

function parse(text: string): z.output<typeof messageSchema> | null {
  try {
    return messageSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
