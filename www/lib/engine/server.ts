// The engine's end of the wire, in a worker or inline: it takes calls, queues them and answers them.

import { toRecord } from '../shared/errors.js';
import type { CallMessage, EngineMessage, FromEngine, InlineTarget, ToEngine } from '../shared/protocol.js';
import { buffersOf } from '../shared/writer-protocol.js';
import { EngineCalls } from './calls.js';
import { FairQueue } from './fair-queue.js';

/** A call that is not answered yet. */
interface OpenCall {
  readonly abort: AbortController;
  readonly stop: AbortController;
  /** Takes the call out of the queue; false once it has begun. */
  withdraw: () => boolean;
}

/** Server of one engine, with the calls that are not answered yet. */
export class EngineServer {
  readonly #send: (message: FromEngine, transfer?: Transferable[]) => void;
  readonly #calls: EngineCalls;
  readonly #queue = new FairQueue();
  readonly #open = new Map<number, OpenCall>();

  /** `target`: the GPU of an engine that runs inline. */
  constructor(send: (message: FromEngine, transfer?: Transferable[]) => void, target?: InlineTarget) {
    this.#send = send;
    this.#calls = new EngineCalls(target);
  }

  receive(message: ToEngine): void {
    if (message.type === 'fromWriter') this.#calls.receiveFromWriter(message.message);
    else if (message.type === 'stop') this.#open.get(message.id)?.stop.abort();
    else if (message.type === 'abort') this.#abort(message.id);
    else this.#enqueue(message);
  }

  /** Reports a failure after which the engine can no longer be trusted. */
  fatal(thrown: unknown): void {
    this.#send({ type: 'fatal', error: toRecord(thrown) });
  }

  /** Ends all calls and frees the engine. Only for an engine that runs inline: a worker is terminated instead. */
  close(): void {
    for (const id of [...this.#open.keys()]) this.#abort(id);
    this.#calls.close();
    // A call that still runs is using the engine.
    this.#queue.add('the end', () => {
      this.#calls.free();
      return Promise.resolve();
    });
  }

  #enqueue(call: CallMessage): void {
    const open: OpenCall = { abort: new AbortController(), stop: new AbortController(), withdraw: () => false };
    this.#open.set(call.id, open);
    const party = 'session' in call ? call.session : undefined;
    open.withdraw = this.#queue.add(party, () => this.#answer(call, open));
  }

  #abort(id: number): void {
    const open = this.#open.get(id);
    open?.abort.abort();
    // A call that waits needs no turn to be ended.
    if (open?.withdraw()) this.#fail(id, { code: 'aborted', message: 'aborted while it waited' });
  }

  async #answer(call: CallMessage, open: OpenCall): Promise<void> {
    const { id } = call;
    const emit = (message: EngineMessage): void => {
      if (message.type === 'persist') this.#send(message);
      else if (message.type === 'toWriter') this.#send(message, buffersOf(message.message));
      else this.#send({ ...message, id });
    };
    try {
      const value = await this.#calls.run(call, { signal: open.abort.signal, stopSignal: open.stop.signal, emit });
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
