// Client of the OPFS writer in the engine: the data of a new cache entry, as the engine's Rust half calls it.

import type { FromWriter, ToWriter } from '../shared/writer-protocol.js';

/** A command that is not answered yet. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: Error) => void;
}

type Numbered = Extract<ToWriter, { call: number }>;
type WithoutNumber<Command> = Command extends Numbered ? Omit<Command, 'call'> : never;

/** The OPFS writer, for all the entries of a load. */
export class OpfsWriterClient {
  readonly #send: (message: ToWriter) => void;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;

  constructor(send: (message: ToWriter) => void) {
    this.#send = send;
  }

  /** Opens the data of an entry, which must not be open elsewhere. */
  open(entry: string): RemoteOpfsFile {
    this.send({ type: 'open', entry });
    return new RemoteOpfsFile(this, entry);
  }

  /** Sends a command that is not answered. */
  send(message: Exclude<ToWriter, Numbered>): void {
    this.#send(message);
  }

  /** Sends a command and resolves to its value. */
  call<Value>(message: WithoutNumber<Numbered>): Promise<Value> {
    const call = (this.#calls += 1);
    return new Promise<Value>((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#send({ ...message, call });
    });
  }

  /** Ends the writer, once it has carried out all earlier commands. */
  end(): void {
    this.send({ type: 'end' });
  }

  /** Takes an answer of the writer. */
  receive(answer: FromWriter): void {
    const pending = this.#pending.get(answer.call);
    this.#pending.delete(answer.call);
    // The engine recognises failures by their names.
    if ('failed' in answer) pending?.reject(new DOMException(answer.failed.message, answer.failed.name));
    else pending?.resolve(answer.value as never);
  }
}

/** The data of one entry, open in the writer. Commands are carried out in the order of the calls. */
export class RemoteOpfsFile {
  readonly #writer: OpfsWriterClient;
  readonly #entry: string;
  #length = 0;

  constructor(writer: OpfsWriterClient, entry: string) {
    this.#writer = writer;
    this.#entry = entry;
  }

  /** Resolves, once the bytes are written, to an array of the same length. The bytes themselves are transferred away. */
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    this.#length = Math.max(this.#length, offset + bytes.length);
    return this.#writer.call({ type: 'write', entry: this.#entry, offset, bytes });
  }

  /** Resolves to fewer bytes than asked for only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#writer.call({ type: 'read', entry: this.#entry, offset, length });
  }

  /** See `probeSpace` in opfs.ts. */
  probeSpace(bytes: number): Promise<number> {
    return this.#writer.call({ type: 'probeSpace', entry: this.#entry, bytes });
  }

  truncate(length: number): void {
    this.#length = length;
    this.#writer.send({ type: 'truncate', entry: this.#entry, length });
  }

  flush(): void {
    this.#writer.send({ type: 'flush', entry: this.#entry });
  }

  getSize(): number {
    return this.#length;
  }

  /** Resolves once everything is written and the file is closed. */
  async close(): Promise<void> {
    await this.#writer.call<undefined>({ type: 'close', entry: this.#entry }).catch(() => undefined);
  }
}
