// Calls of the engine: one method for each kind of message.

import { GemmaError } from '../shared/errors.js';
import { type CallMessage, type CallName, type Calls, type EngineMessage, type InlineTarget, isStream } from '../shared/protocol.js';
import type { FromWriter } from '../shared/writer-protocol.js';
import type { BenchProgress, BenchReport } from '../types/bench.js';
import type { GenerateResult, Message, Score, TokenPiece } from '../types/generate.js';
import type { DeviceLoss } from '../types/load.js';
import type { GpuMemory, ModelInfo, ModelStats } from '../types/model.js';
import type { Engine } from '../pkg/gemma_web.js';
import { clearEntries, deleteEntry, entriesSize, exportEntry, listEntries, verifyStoredEntry } from './cache-entries.js';
import { inspectModel, loadModel, type LoadedModel } from './load.js';
import { OpfsWriterClient } from './opfs-writer-client.js';
import { isDeviceLoss, Recovery, recoveryError } from './recovery.js';
import { instantiate } from './wasm.js';

/** Signals of a call, and the receiver of its messages. */
export interface CallContext {
  readonly signal: AbortSignal;
  readonly stopSignal: AbortSignal;
  readonly emit: (message: EngineMessage) => void;
}

/** An event of a generation in the Rust half. `rest`: text that was held back, which the result has as well. */
type GenerationEvent =
  | { readonly type: 'prefill'; readonly done: number; readonly total: number }
  | ({ readonly type: 'token' } & TokenPiece)
  | { readonly type: 'rest' };

/** The calls of one engine, of which one runs at a time. */
export class EngineCalls {
  readonly #target: InlineTarget | undefined;
  readonly #closed = new AbortController();
  #memory: WebAssembly.Memory | undefined;
  #loaded: LoadedModel | undefined;
  /** The call that loaded the model, to load it again. */
  #loadCall: CallOf<'load'> | undefined;
  readonly #recovery = new Recovery();
  #asleep = false;
  #sleepTimer: ReturnType<typeof setTimeout> | undefined;
  #writer: OpfsWriterClient | undefined;

  constructor(target: InlineTarget | undefined) {
    this.#target = target;
  }

  /** Gives the GPU back; a call that still runs fails. */
  close(): void {
    this.#closed.abort();
    clearTimeout(this.#sleepTimer);
    this.#loaded?.release();
  }

  /** Frees the engine, which must be idle. */
  free(): void {
    this.#loaded?.engine.free();
    this.#loaded = undefined;
  }

  /** Takes an answer of the OPFS writer. */
  receiveFromWriter(answer: FromWriter): void {
    this.#writer?.receive(answer);
  }

  /** Runs a call. If the device is lost meanwhile, the call is repeated once the model is loaded again; a generation continues. */
  async run(call: CallMessage, context: CallContext): Promise<Calls[CallName]['back']> {
    // Watching the memory does not keep the model awake.
    const isRequest = call.type !== 'memory' && call.type !== 'stats';
    if (isRequest) clearTimeout(this.#sleepTimer);
    try {
      for (let repeated = false; ; repeated = true) {
        try {
          return await this.#dispatch(call, context, repeated);
        } catch (thrown) {
          if (!isDeviceLoss(thrown) || this.#closed.signal.aborted || context.signal.aborted) throw thrown;
          await this.#reload(thrown, call, context);
        }
      }
    } finally {
      if (isRequest) this.#scheduleSleep();
    }
  }

  async #dispatch(call: CallMessage, context: CallContext, repeated: boolean): Promise<Calls[CallName]['back']> {
    this.#memory ??= await instantiate();
    switch (call.type) {
      case 'load':
        return this.#load(call, context);
      case 'sleep':
        if (this.#canReload) return this.#sleep();
        throw new GemmaError('unsupported', 'a model that came from a stream can’t come back from sleep; dispose it, and load it again later', {
          what: 'sleep',
          found: 'a source that can be read only once',
        });
      case 'inspect':
        return inspectModel(call, this.#target);
      case 'generate':
        return this.#generate(call, context, repeated);
      case 'stats':
        return this.#withMemory(this.#engine.stats() as Omit<ModelStats, 'wasmBytes'>);
      case 'bench': {
        const onStep = (step: BenchProgress): void => context.emit({ type: 'step', step });
        const report = (await this.#engine.bench(call.options, onStep, context.signal)) as BenchReport;
        return { ...report, stats: this.#withMemory(report.stats) };
      }
      default:
        if (isOf(call, 'cache')) return cacheCall(call);
        return isOf(call, 'session') ? this.#sessionCall(call, context) : this.#textCall(call, context);
    }
  }

  async #load(call: CallOf<'load'>, { emit }: CallContext): Promise<ModelInfo> {
    this.#loadCall = call;
    const startWriter = (): OpfsWriterClient => (this.#writer = new OpfsWriterClient((message) => emit({ type: 'toWriter', message })));
    const context = { emit, startWriter, target: this.#target, signal: this.#closed.signal };
    this.#loaded = await loadModel(call, context, this.#loaded?.engine);
    this.#asleep = false;
    // The page may have closed the engine meanwhile.
    if (this.#closed.signal.aborted) this.close();
    return this.#loaded.info;
  }

  /** Loads the model again after it slept or its device was `lost`; reports further losses to `call`. */
  async #reload(lost: unknown, call: CallMessage, context: CallContext): Promise<void> {
    const from = this.#loadCall;
    if (!from) throw lost;
    if (!this.#canReload) throw recoveryError(lost, 'it came from a stream, which can be read only once; load the model again');
    const load = async (): Promise<void> => void (await this.#load(from, context));
    if (this.#asleep) {
      const failed = await load().then(() => undefined, (thrown: unknown) => thrown);
      if (failed === undefined) return;
      if (!isDeviceLoss(failed)) throw failed;
    }
    if (this.#target?.device) throw recoveryError(lost, 'it was given to loadGemma as `device`; load the model again with another one');
    this.#loaded?.release();
    const notify = (loss: DeviceLoss): void => context.emit({ type: 'lost', loss });
    // A load under way is repeated anyway.
    try {
      await this.#recovery.recover(lost, call.type === 'load' ? () => Promise.resolve() : load, notify);
    } catch (thrown) {
      // The next call tries again.
      this.#sleep();
      throw thrown;
    }
  }

  /** Whether the model can be loaded again. */
  get #canReload(): boolean {
    return this.#loadCall !== undefined && !isStream(this.#loadCall.source);
  }

  #sleep(): undefined {
    if (this.#asleep || !this.#loaded) return;
    this.#loaded.engine.sleep();
    this.#loaded.release();
    this.#asleep = true;
  }

  /** Lets the model sleep after a while without a request. */
  #scheduleSleep(): void {
    const ms = this.#loadCall?.idleTimeout;
    if (ms === undefined || !this.#canReload || this.#asleep || this.#closed.signal.aborted) return;
    clearTimeout(this.#sleepTimer);
    this.#sleepTimer = setTimeout(() => this.#sleep(), ms);
    // In Node.js the timer would keep the program running.
    (this.#sleepTimer as { unref?(): void }).unref?.();
  }

  async #generate(call: CallOf<'generate'>, { signal, stopSignal, emit }: CallContext, repeated: boolean): Promise<Calls['generate']['back']> {
    const onEvent = (event: GenerationEvent): void => {
      if (event.type === 'prefill') emit({ type: 'prefill', progress: { done: event.done, total: event.total } });
      if (event.type !== 'token') return;
      const { type, ...piece } = event;
      emit({ type, piece });
    };
    const { prompt, session, options } = call;
    const result = (await this.#engine.generate(repeated ? null : { prompt, session, options }, onEvent, signal, stopSignal)) as GenerateResult;
    const history = session !== undefined && 'say' in prompt ? await this.#history(session) : undefined;
    return { result, history };
  }

  async #sessionCall(call: CallOf<'session'>, { signal }: CallContext): Promise<Calls[CallOf<'session'>['type']]['back']> {
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
        // One Blob for each piece: browsers keep Blobs outside this process.
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

  async #textCall(call: TextCall, { signal }: CallContext): Promise<Calls[TextCall['type']]['back']> {
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

/** Calls whose names begin alike. */
type CallOf<Group extends string> = Extract<CallMessage, { type: `${Group}${string}` }>;
type TextCall = Exclude<CallMessage, CallOf<'session' | 'cache'> | { type: 'load' | 'inspect' | 'generate' | 'sleep' | 'stats' | 'bench' }>;

function isOf<Group extends 'session' | 'cache'>(call: CallMessage, group: Group): call is CallOf<Group> {
  return call.type.startsWith(group);
}

async function cacheCall(call: CallOf<'cache'>): Promise<Calls[CallOf<'cache'>['type']]['back']> {
  switch (call.type) {
    case 'cacheList':
      return listEntries();
    case 'cacheSize':
      return entriesSize();
    case 'cacheDelete':
      return deleteEntry(call.entry);
    case 'cacheClear':
      return clearEntries();
    case 'cacheVerify':
      return verifyStoredEntry(call.entry);
    case 'cacheExport':
      return exportEntry(call.entry);
  }
}
