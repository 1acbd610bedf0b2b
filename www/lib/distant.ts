// The engine's end of the worker that writes (writer.ts): the data of a new entry, as src/source/distant.rs calls it.

import type { FromWriter, ToWriter } from './writer.js';

/** A call that has not been answered yet. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: Error) => void;
}

/** The bytes of a message to the worker or from it, which go along uncopied. */
export function bytesOf(message: ToWriter | FromWriter): Transferable[] {
  const bytes = 'value' in message ? message.value : 'offset' in message && message.type === 'write' ? message.bytes : undefined;
  return bytes instanceof Uint8Array ? [bytes.buffer] : [];
}

/** The way to the worker. */
export type Send = (message: ToWriter) => void;

type Numbered = Extract<ToWriter, { call: number }>;
type WithoutNumber<Call> = Call extends Numbered ? Omit<Call, 'call'> : never;

/** The worker that writes, for all the entries of a load. */
export class Writer {
  readonly #send: Send;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Opens the data of an entry, which nobody else has open. */
  open(entry: string): DistantFile {
    this.tell({ type: 'open', entry });
    return new DistantFile(this, entry);
  }

  tell(message: Exclude<ToWriter, Numbered>): void {
    this.#send(message);
  }

  ask<Value>(message: WithoutNumber<Numbered>): Promise<Value> {
    const call = (this.#calls += 1);
    return new Promise<Value>((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#send({ ...message, call });
    });
  }

  /** Nothing is asked of it any more. */
  end(): void {
    this.tell({ type: 'end' });
  }

  /** Takes an answer. */
  receive(answer: FromWriter): void {
    const pending = this.#pending.get(answer.call);
    this.#pending.delete(answer.call);
    // The engine knows failures by their names.
    if ('failed' in answer) pending?.reject(new DOMException(answer.failed.message, answer.failed.name));
    else pending?.resolve(answer.value as never);
  }
}

/** The data of one entry. Calls are carried out in the order they are made. */
export class DistantFile {
  readonly #writer: Writer;
  readonly #entry: string;
  #length = 0;

  constructor(writer: Writer, entry: string) {
    this.#writer = writer;
    this.#entry = entry;
  }

  /** Resolves, once they are written, to an array as long as the bytes, which are gone from here. */
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    this.#length = Math.max(this.#length, offset + bytes.length);
    return this.#writer.ask({ type: 'write', entry: this.#entry, offset, bytes });
  }

  /** Resolves to fewer bytes than asked for at the end of the file only. */
  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#writer.ask({ type: 'read', entry: this.#entry, offset, length });
  }

  /** See `roomIn` in folder.ts. */
  room(bytes: number): Promise<number> {
    return this.#writer.ask({ type: 'room', entry: this.#entry, bytes });
  }

  truncate(length: number): void {
    this.#length = length;
    this.#writer.tell({ type: 'truncate', entry: this.#entry, length });
  }

  flush(): void {
    this.#writer.tell({ type: 'flush', entry: this.#entry });
  }

  getSize(): number {
    return this.#length;
  }

  /** Resolves once all is written and the file is closed. */
  async close(): Promise<void> {
    await this.#writer.ask<undefined>({ type: 'close', entry: this.#entry }).catch(() => undefined);
  }
}
