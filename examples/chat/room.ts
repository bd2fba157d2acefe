/**
 * A chat room: its people, its history, and the rules for a client's messages.
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

/** One line of the history. */
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

  /** A new socket: it has no name yet, and gets the history. */
  welcome(socket: WebSocketConnection): void {
    socket.on('message', (data, isBinary) =>
      this.#onMessage(socket, isBinary ? '' : data.toString()),
    );
    socket.on('close', () => this.#leave(socket));
    socket.send(
      JSON.stringify({ type: 'welcome', people: this.#people(), history: this.#history }),
    );
  }

  /** Send a message to every client. */
  broadcast(message: object): void {
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
    this.broadcast({ type: 'joined', name, people: this.#people() });
  }

  #say(name: string, text: string): void {
    const line = { name, text, at: Date.now() };
    this.#history.push(line);
    if (this.#history.length > HISTORY) this.#history.shift();
    this.broadcast({ type: 'said', ...line });
  }

  #leave(socket: WebSocketConnection): void {
    const name = this.#names.get(socket);
    if (name === undefined) return;
    this.#names.delete(socket);
    this.broadcast({ type: 'left', name, people: this.#people() });
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
