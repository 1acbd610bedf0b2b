/**
 * The Prompt API's `LanguageModel`, for browsers without a model of their own or with another one.
 *
 * ```js
 * import { createLanguageModel } from 'gemma-web/language-model';
 *
 * globalThis.LanguageModel ??= createLanguageModel('/models/gemma-it.gguf');
 * const session = await LanguageModel.create({ initialPrompts: [{ role: 'system', content: 'Answer in rhyme.' }] });
 * for await (const piece of session.promptStreaming('Who are you?')) console.log(piece);
 * ```
 *
 * @packageDocumentation
 */

import { cache } from '../page/cache.js';
import type { Gemma } from '../page/gemma.js';
import { loadGemma } from '../page/load.js';
import { probe } from '../page/probe.js';
import type { LoadOptions, LoadProgress } from '../types/load.js';
import type { ModelSource } from '../types/source.js';
import {
  checkSampling,
  inTurns,
  notSupported,
  paramsOf,
  readInput,
  samplingOf,
  tokensOf,
  unsupportedOption,
} from './language-model-input.js';
import { ModelSession, quotaExceeded, raced } from './language-model-session.js';
import type { Availability, LanguageModelCreateOptions, LanguageModelFactory, LanguageModelMonitor } from './language-model-types.js';

export type {
  Availability,
  LanguageModelContent,
  LanguageModelContentType,
  LanguageModelCreateCoreOptions,
  LanguageModelCreateOptions,
  LanguageModelExpected,
  LanguageModelFactory,
  LanguageModelMessage,
  LanguageModelMonitor,
  LanguageModelParams,
  LanguageModelPrompt,
  LanguageModelPromptOptions,
  LanguageModelSamplingMode,
  LanguageModelSession,
} from './language-model-types.js';

/** Longest answer by default. The API sets no bound, but tokens reserved for an answer are lost to the conversation. */
const ANSWER_TOKENS = 1024;

/** Options of {@link createLanguageModel}. */
export interface LanguageModelOptions {
  /** Options for loading the model; without effect on a model that is loaded already. */
  readonly load?: Omit<LoadOptions, 'signal' | 'onProgress'> | undefined;
  /**
   * Most tokens of an answer. Old turns are dropped as soon as there is less room for it, or less than half the context. Default 1024, or half
   * the context if that is less.
   */
  readonly maxTokens?: number | undefined;
}

/**
 * A replacement for the global `LanguageModel`.
 *
 * It follows the draft of the Prompt API for text. Not supported: tools, images, audio, `responseConstraint`, `prefix`. Different: options that
 * browsers offer only in some contexts (`topK`, `temperature`, `params()`) are always available; messages of `append` are computed with the
 * next prompt; no user activation is needed.
 *
 * @param source A loaded model, which stays its owner's, or a source for `loadGemma`: the first `create` loads it, and it stays loaded for all
 *   sessions.
 */
export function createLanguageModel(source: ModelSource | Gemma, options: LanguageModelOptions = {}): LanguageModelFactory {
  const shared = new SharedModel(source, options.load ?? {});
  return {
    async availability(asked = {}) {
      checkSampling(asked);
      return unsupportedOption(asked) === undefined ? shared.availability() : 'unavailable';
    },
    async create(asked = {}) {
      const { signal, monitor, initialPrompts = [] } = asked;
      signal?.throwIfAborted();
      checkSampling(asked);
      const unsupported = unsupportedOption(asked);
      if (unsupported !== undefined) throw notSupported(unsupported);
      const messages = inTurns(initialPrompts.length > 0 ? readInput(initialPrompts, false) : []);
      const model = await shared.load(monitor, signal);
      const usage = await tokensOf(messages, (text) => model.tokenize(text));
      if (usage > model.info.contextLength) throw quotaExceeded(usage, model.info.contextLength);
      signal?.throwIfAborted();
      const sampling = samplingOf(asked, paramsOf(model.info.defaults, model.info.config.nVocab));
      // The user's last message has no answer: it goes in front of the user's next one.
      const spoken = messages.at(-1)?.role === 'user' ? messages.length - 1 : messages.length;
      const session = model.session({ history: messages.slice(0, spoken) });
      const state = { session, ahead: messages.slice(spoken), usage };
      const made = new ModelSession(model, sampling, options.maxTokens ?? Math.min(ANSWER_TOKENS, model.info.contextLength >> 1), state);
      signal?.addEventListener('abort', () => made.destroy(), { once: true });
      return made;
    },
    async params() {
      const model = shared.loaded;
      return model ? paramsOf(model.info.defaults, model.info.config.nVocab) : null;
    },
  };
}

/** The model behind all sessions, loaded once. */
class SharedModel {
  readonly #source: ModelSource | Gemma;
  readonly #options: LoadOptions;
  loaded: Gemma | undefined;
  #loading: Promise<Gemma> | undefined;
  #abort = new AbortController();
  readonly #listeners = new Set<(fraction: number) => void>();
  /** Calls that wait for the model. The load ends when none is left. */
  #waiting = 0;

  constructor(source: ModelSource | Gemma, options: LoadOptions) {
    this.#source = source;
    this.#options = options;
    if (isModel(source)) this.loaded = source;
  }

  async availability(): Promise<Availability> {
    if (this.loaded) return 'available';
    if ((await probe({ gpu: this.#options.gpu })).verdict === 'unavailable') return 'unavailable';
    if (this.#loading) return 'downloading';
    return (await isLocal(this.#source)) ? 'available' : 'downloadable';
  }

  async load(monitor: LanguageModelCreateOptions['monitor'], signal: AbortSignal | undefined): Promise<Gemma> {
    const listener = monitor && listenerOf(monitor);
    listener?.(0);
    if (listener) this.#listeners.add(listener);
    this.#waiting += 1;
    try {
      const loading = this.loaded ? Promise.resolve(this.loaded) : (this.#loading ??= this.#start());
      const model = await (signal ? raced(loading, signal) : loading);
      listener?.(1);
      return model;
    } finally {
      if (listener) this.#listeners.delete(listener);
      this.#waiting -= 1;
      if (this.#waiting === 0 && !this.loaded) this.#end();
    }
  }

  /** Ends the load, so that the next call starts another one. */
  #end(): void {
    this.#abort.abort();
    this.#loading = undefined;
  }

  async #start(): Promise<Gemma> {
    const { signal } = (this.#abort = new AbortController());
    const onProgress = ({ loaded, total }: LoadProgress): void => {
      // 1 means that the model is ready.
      if (total) for (const listener of this.#listeners) listener(Math.min(loaded / total, 0.999));
    };
    this.loaded = await loadGemma(this.#source as ModelSource, { ...this.#options, signal, onProgress });
    return this.loaded;
  }
}

function isModel(source: ModelSource | Gemma): source is Gemma {
  return typeof source === 'object' && 'generate' in source && 'info' in source;
}

/** Creates a monitor for the page, and a function that reports a fraction to it if that has grown. */
function listenerOf(monitor: NonNullable<LanguageModelCreateOptions['monitor']>): (fraction: number) => void {
  const target: LanguageModelMonitor = Object.assign(new EventTarget(), { ondownloadprogress: null });
  monitor(target);
  let before = -1;
  return (loaded) => {
    if (loaded <= before) return;
    before = loaded;
    const facts = { lengthComputable: true, loaded, total: 1 };
    // Node.js has no ProgressEvent.
    const event = (
      typeof ProgressEvent === 'function' ? new ProgressEvent('downloadprogress', facts) : Object.assign(new Event('downloadprogress'), facts)
    ) as ProgressEvent;
    target.ondownloadprogress?.(event);
    target.dispatchEvent(event);
  };
}

/** Whether a source needs no network: it is no address, or all of it is cached. */
async function isLocal(source: ModelSource | Gemma): Promise<boolean> {
  const addresses = (Array.isArray(source) ? (source as readonly unknown[]) : [source]).map((entry) =>
    typeof entry === 'string' || entry instanceof URL ? String(entry) : ((entry as { url?: string | URL }).url ?? undefined),
  );
  const remote = addresses.filter((address) => address !== undefined).map(String).filter((address) => !/^synthetic:/.test(address));
  if (remote.length === 0) return true;
  const cached = (await cache.list().catch(() => [])).filter(({ complete }) => complete).map(({ url }) => url);
  return remote.every((address) => cached.some((url) => isSameFile(url, address)));
}

/** Whether an address is that of a cache entry, which the cache lists absolute and without its query. */
function isSameFile(cached: string, address: string): boolean {
  const short = /^hf:([^/]+\/[^/]+)\/([^@]+)(?:@(.+))?$/.exec(address);
  if (short) return cached.endsWith(`/${short[1]}/resolve/${encodeURIComponent(short[3] ?? 'main')}/${encodeURI(short[2] ?? '')}`);
  const base = (globalThis as { location?: { href: string } }).location?.href;
  if (!URL.canParse(address, base)) return false;
  const { origin, pathname } = new URL(address, base);
  return cached.split(/[?#]/)[0] === origin + pathname;
}
