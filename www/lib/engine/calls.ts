// Calls of the engine, one for each kind of message.

import type { Engine } from '../pkg/gemma_web.js';
import type { BenchProgress, BenchReport } from '../types/bench.js';
import { Writer } from './opfs-writer-client.js';
import { clearEntries, deleteEntry, exportEntry, listEntries, sizeOfEntries, verifyStored } from './cache-entries.js';
import { GemmaError } from '../shared/errors.js';
import type { GenerateResult, Message, Score, TokenPiece } from '../types/generate.js';
import type { Setting } from '../page/transport.js';
import { inspectModel, loadModel, type Loaded } from './load.js';
import type { CallMessage, CallName, Calls, Errand, Event } from '../shared/protocol.js';
import { givenUp, isLoss, Recovery } from './recovery.js';
import { isOnce } from '../page/source.js';
import type { DeviceLoss, GpuMemory, ModelInfo, ModelStats } from '../types/model.js';
import { instantiate } from './wasm.js';
import type { FromWriter } from './opfs-writer.js';

/** What a call tells before it is answered. */
export type Told = Event | Errand;

/** How a call is followed and ended. */
export interface Following {
  readonly signal: AbortSignal;
  readonly stopSignal: AbortSignal;
  readonly tell: (told: Told) => void;
}

/** What the engine tells of a generation. `rest`: text that was held back; the result has it too. */
type EngineEvent =
  | { readonly type: 'prefill'; readonly done: number; readonly total: number }
  | ({ readonly type: 'token' } & TokenPiece)
  | { readonly type: 'rest' };

/** An engine, once it is loaded. One call at a time. */
export class Calling {
  readonly #setting: Setting | undefined;
  readonly #closed = new AbortController();
  #memory: WebAssembly.Memory | undefined;
  #loaded: Loaded | undefined;
  /** How it was loaded, to load it again. */
  #call: CallOf<'load'> | undefined;
  readonly #recovery = new Recovery();
  #asleep = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #writer: Writer | undefined;

  constructor(setting: Setting | undefined) {
    this.#setting = setting;
  }

  /** Gives the GPU back; whatever runs will fail. */
  close(): void {
    this.#closed.abort();
    clearTimeout(this.#idle);
    this.#loaded?.release();
  }

  /** Frees the engine, which must be idle. */
  free(): void {
    this.#loaded?.engine.free();
    this.#loaded = undefined;
  }

  /** An answer of the worker that writes. */
  written(answer: FromWriter): void {
    this.#writer?.receive(answer);
  }

  /** Carries a call out, all over again where the device is lost meanwhile, but a generation goes on where it was. */
  async carryOut(call: CallMessage, following: Following): Promise<Calls[CallName]['back']> {
    // Whoever watches the memory doesn't keep the model awake.
    const isRequest = call.type !== 'memory' && call.type !== 'stats';
    if (isRequest) clearTimeout(this.#idle);
    try {
      for (let again = false; ; again = true) {
        try {
          return await this.#attempt(call, following, again);
        } catch (thrown) {
          if (!isLoss(thrown) || this.#closed.signal.aborted || following.signal.aborted) throw thrown;
          await this.#comeBack(thrown, call, following);
        }
      }
    } finally {
      if (isRequest) this.#rest();
    }
  }

  async #attempt(call: CallMessage, following: Following, again: boolean): Promise<Calls[CallName]['back']> {
    this.#memory ??= await instantiate();
    switch (call.type) {
      case 'load':
        return this.#load(call, following);
      case 'sleep':
        if (this.#comesBack) return this.#sleep();
        throw new GemmaError('unsupported', 'a model that came from a stream can’t come back from sleep; dispose it, and load it again later', {
          what: 'sleep',
          found: 'a source that can be read only once',
        });
      case 'inspect':
        return inspectModel(call, this.#setting);
      case 'generate':
        return this.#generate(call, following, again);
      case 'stats':
        return this.#withMemory(this.#engine.stats() as Omit<ModelStats, 'wasmBytes'>);
      case 'bench': {
        const onStep = (step: BenchProgress): void => following.tell({ type: 'step', step });
        const report = (await this.#engine.bench(call.options, onStep, following.signal)) as BenchReport;
        return { ...report, stats: this.#withMemory(report.stats) };
      }
      default:
        if (isOf(call, 'cache')) return ofCache(call);
        return isOf(call, 'session') ? this.#ofSession(call, following) : this.#ofText(call, following);
    }
  }

  async #load(call: CallOf<'load'>, { tell }: Following): Promise<ModelInfo> {
    this.#call = call;
    const startWriter = (): Writer => (this.#writer = new Writer((message) => tell({ type: 'write', message })));
    const around = { tell, startWriter, setting: this.#setting, signal: this.#closed.signal };
    this.#loaded = await loadModel(call, around, this.#loaded?.engine);
    this.#asleep = false;
    // The page may have gone on without it.
    if (this.#closed.signal.aborted) this.close();
    return this.#loaded.info;
  }

  /** Has the model loaded again: one that slept, or one whose device was `lost`, of which `following` hears. */
  async #comeBack(lost: unknown, call: CallMessage, following: Following): Promise<void> {
    const from = this.#call;
    if (!from) throw lost;
    if (!this.#comesBack) throw givenUp(lost, 'it came from a stream, which can be read only once; load the model again');
    const load = async (): Promise<void> => void (await this.#load(from, following));
    if (this.#asleep) {
      const failed = await load().then(() => undefined, (thrown: unknown) => thrown);
      if (failed === undefined) return;
      if (!isLoss(failed)) throw failed;
    }
    if (this.#setting?.device) throw givenUp(lost, 'it was given to loadGemma as `device`; load the model again with another one');
    this.#loaded?.release();
    const tell = (loss: DeviceLoss): void => following.tell({ type: 'lost', loss });
    // A load that is under way begins anew by itself.
    try {
      await this.#recovery.recover(lost, call.type === 'load' ? () => Promise.resolve() : load, tell);
    } catch (thrown) {
      // The next call tries anew.
      this.#sleep();
      throw thrown;
    }
  }

  /** Whether it can be loaded again. */
  get #comesBack(): boolean {
    return this.#call !== undefined && !isOnce(this.#call.source);
  }

  #sleep(): undefined {
    if (this.#asleep || !this.#loaded) return;
    this.#loaded.engine.sleep();
    this.#loaded.release();
    this.#asleep = true;
  }

  /** Has the model sleep where nothing happens for a while. */
  #rest(): void {
    const ms = this.#call?.idleTimeout;
    if (ms === undefined || !this.#comesBack || this.#asleep || this.#closed.signal.aborted) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#sleep(), ms);
    // In Node.js it would keep the program running.
    (this.#idle as { unref?(): void }).unref?.();
  }

  async #generate(call: CallOf<'generate'>, { signal, stopSignal, tell }: Following, again: boolean): Promise<Calls['generate']['back']> {
    const onEvent = (event: EngineEvent): void => {
      if (event.type === 'prefill') tell({ type: 'prefill', progress: { done: event.done, total: event.total } });
      if (event.type !== 'token') return;
      const { type, ...piece } = event;
      tell({ type, piece });
    };
    const { prompt, session, options } = call;
    const result = (await this.#engine.generate(again ? null : { prompt, session, options }, onEvent, signal, stopSignal)) as GenerateResult;
    const history = session !== undefined && 'say' in prompt ? await this.#history(session) : undefined;
    return { result, history };
  }

  async #ofSession(call: CallOf<'session'>, { signal }: Following): Promise<Calls[CallOf<'session'>['type']]['back']> {
    switch (call.type) {
      case 'sessionOpen':
        return this.#engine.session_open({ system: call.system, history: call.history, rendered: call.rendered });
      case 'sessionClone':
        return this.#engine.session_clone(call.session);
      case 'sessionClose':
        await this.#engine.session_close(call.session);
        return undefined;
      case 'sessionRewind':
        await this.#engine.session_rewind(call.session, call.messages);
        return undefined;
      case 'sessionSave': {
        // A Blob each: browsers keep them out of this process.
        const pieces: Blob[] = [];
        const onPiece = (piece: Uint8Array<ArrayBuffer>): void => void pieces.push(new Blob([piece]));
        await this.#engine.session_save(call.session, onPiece, signal);
        return new Blob(pieces);
      }
      case 'sessionRestore': {
        const { blob } = call;
        const read = async (offset: number, length: number): Promise<Uint8Array> =>
          new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
        const session = await this.#engine.session_restore(read, blob.size, signal);
        return { session, history: await this.#history(session) };
      }
    }
  }

  async #ofText(call: TextCall, { signal }: Following): Promise<Calls[TextCall['type']]['back']> {
    switch (call.type) {
      case 'tokenize':
        return Array.from(this.#engine.tokenize(call.text));
      case 'detokenize':
        return this.#engine.detokenize(call.ids);
      case 'countTokens':
        return this.#engine.prompt_ids(call.prompt).length;
      case 'renderChat':
        return this.#engine.render_chat(call.messages);
      case 'embed':
        return this.#engine.embed(call.text, signal);
      case 'score':
        return (await this.#engine.score(call.text, signal)) as Score;
      case 'logits':
        return this.#engine.logits(call.ids, signal);
      case 'memory':
        return this.#engine.memory() as GpuMemory;
    }
  }

  async #history(session: number): Promise<Message[]> {
    return (await this.#engine.session_history(session)) as Message[];
  }

  #withMemory(stats: Omit<ModelStats, 'wasmBytes'>): ModelStats {
    return { ...stats, wasmBytes: this.#memory?.buffer.byteLength ?? 0 };
  }

  get #engine(): Engine {
    if (!this.#loaded) throw new Error('a call arrived before the model was loaded');
    return this.#loaded.engine;
  }
}

/** Calls by how their names begin. */
type CallOf<Group extends string> = Extract<CallMessage, { type: `${Group}${string}` }>;
type TextCall = Exclude<CallMessage, CallOf<'session' | 'cache'> | { type: 'load' | 'inspect' | 'generate' | 'sleep' | 'stats' | 'bench' }>;

function isOf<Group extends 'session' | 'cache'>(call: CallMessage, group: Group): call is CallOf<Group> {
  return call.type.startsWith(group);
}

async function ofCache(call: CallOf<'cache'>): Promise<Calls[CallOf<'cache'>['type']]['back']> {
  switch (call.type) {
    case 'cacheList':
      return listEntries();
    case 'cacheSize':
      return sizeOfEntries();
    case 'cacheDelete':
      return deleteEntry(call.entry);
    case 'cacheClear':
      return clearEntries();
    case 'cacheVerify':
      return verifyStored(call.entry);
    case 'cacheExport':
      return exportEntry(call.entry);
  }
}
