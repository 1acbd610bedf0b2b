// The engine's half, in a worker or not: takes calls, lets them wait for their turns, and answers them.

import { Calling, type Told } from './calls.js';
import { bytesOf } from './opfs-writer-client.js';
import { toRecord } from '../shared/errors.js';
import type { Setting } from '../page/transport.js';
import type { CallMessage, FromHost, ToHost } from '../shared/protocol.js';
import { FairQueue } from './fair-queue.js';

/** A call that is not answered yet. */
interface Open {
  readonly abort: AbortController;
  readonly stop: AbortController;
  /** Takes it out of the queue; false once it has begun. */
  withdraw: () => boolean;
}

/** One engine with the calls to it. */
export class Host {
  readonly #send: (message: FromHost, transfer?: Transferable[]) => void;
  readonly #calling: Calling;
  readonly #queue = new FairQueue();
  readonly #open = new Map<number, Open>();

  /** `setting`: where the engine runs, if not in a worker. */
  constructor(send: (message: FromHost, transfer?: Transferable[]) => void, setting?: Setting) {
    this.#send = send;
    this.#calling = new Calling(setting);
  }

  receive(message: ToHost): void {
    if (message.type === 'written') this.#calling.written(message.message);
    else if (message.type === 'stop') this.#open.get(message.id)?.stop.abort();
    else if (message.type === 'abort') this.#abort(message.id);
    else this.#begin(message);
  }

  /** The engine is not to be trusted any more. */
  fatal(thrown: unknown): void {
    this.#send({ type: 'fatal', error: toRecord(thrown) });
  }

  /** Ends everything and frees the engine. Only where it is in no worker: a worker is ended itself. */
  close(): void {
    for (const id of [...this.#open.keys()]) this.#abort(id);
    this.#calling.close();
    // Whoever is running holds the engine.
    this.#queue.add('the end', () => {
      this.#calling.free();
      return Promise.resolve();
    });
  }

  #begin(call: CallMessage): void {
    const open: Open = { abort: new AbortController(), stop: new AbortController(), withdraw: () => false };
    this.#open.set(call.id, open);
    const party = 'session' in call ? call.session : undefined;
    open.withdraw = this.#queue.add(party, () => this.#answer(call, open));
  }

  #abort(id: number): void {
    const open = this.#open.get(id);
    open?.abort.abort();
    // One that waits needs nobody's turn.
    if (open?.withdraw()) this.#fail(id, { code: 'aborted', message: 'aborted while it waited' });
  }

  async #answer(call: CallMessage, open: Open): Promise<void> {
    const { id } = call;
    const tell = (told: Told): void => {
      if (told.type === 'persist') this.#send(told);
      else if (told.type === 'write') this.#send(told, bytesOf(told.message));
      else this.#send({ ...told, id });
    };
    try {
      const value = await this.#calling.carryOut(call, { signal: open.abort.signal, stopSignal: open.stop.signal, tell });
      this.#open.delete(id);
      this.#send({ type: 'done', id, value }, value instanceof Float32Array ? [value.buffer as ArrayBuffer] : []);
    } catch (thrown) {
      this.#fail(id, thrown);
    }
  }

  #fail(id: number, thrown: unknown): void {
    this.#open.delete(id);
    this.#send({ type: 'failed', id, error: toRecord(thrown) });
  }
}
