// A stubbed model that gives scripted answers, without a GPU: for tests of the mapping.

import type { Gemma } from '../../www/lib/page/gemma.js';
import type { GenerateOptions, GenerateResult, Message, Prompt, TokenLogprob } from '../../www/lib/types/generate.js';
import { type Generation, startGeneration } from '../../www/lib/page/generation.js';
import type { Session } from '../../www/lib/page/session.js';
import { abortError, GemmaError } from '../../www/lib/shared/errors.js';

/** One call as it reached the model. */
export interface Asked {
  readonly prompt: Prompt;
  readonly options: GenerateOptions;
}

/** The behaviour of the model. */
export interface Script {
  /** The texts of the tokens it generates. */
  pieces: readonly string[];
  /** Text of the result that belongs to no token. */
  heldBack?: string;
  finishReason?: GenerateResult['finishReason'];
  droppedTokens?: number;
  /** Thrown in place of an answer. */
  error?: GemmaError;
  /** Each token waits until the test releases it. */
  gate?: () => Promise<void>;
  /** Length of the context, in tokens. */
  contextLength?: number;
}

/** A stub, and the calls that reached it. */
export interface Stub {
  readonly model: Gemma;
  readonly asked: Asked[];
  /** Histories of the sessions that were opened. */
  readonly opened: (readonly Message[])[];
  /** Number of disposed sessions. */
  disposed: number;
}

export const USAGE = { promptTokens: 9, cachedTokens: 4 };

function generation(script: Script, options: GenerateOptions): Generation {
  return startGeneration(options, async ({ signal, onToken }) => {
    const logprobs: TokenLogprob[] = [];
    if (script.error) throw script.error;
    for (const [id, text] of script.pieces.entries()) {
      if (signal.aborted) throw abortError();
      await Promise.race([
        script.gate?.() ?? new Promise((done) => setImmediate(done)),
        new Promise((done) => signal.addEventListener('abort', done)),
      ]);
      if (signal.aborted) throw abortError();
      const token = { id, text, logprob: -0.5, top: [{ id, text, logprob: -0.5 }].slice(0, options.logprobs ?? 0) };
      logprobs.push(token);
      onToken(options.logprobs === undefined ? { id, text } : token);
    }
    const { finishReason = 'stop', droppedTokens = 0, heldBack = '' } = script;
    return {
      text: script.pieces.join('') + heldBack,
      tokens: script.pieces.map((_, id) => id),
      finishReason,
      usage: { ...USAGE, completionTokens: script.pieces.length, droppedTokens },
      timings: { promptMs: 1, firstTokenMs: 1, decodeMs: 1, promptPerSecond: 1, decodePerSecond: 1 },
      seed: options.seed ?? 7,
      ...(options.logprobs === undefined ? {} : { logprobs }),
    };
  });
}

/** A model that follows the script, which may be changed between calls. */
export function stubModel(script: Script): Stub {
  const asked: Asked[] = [];
  const opened: (readonly Message[])[] = [];
  const session = (given: readonly Message[]): Session => {
    let history = given;
    const made = {
      get history() {
        return history;
      },
      send(text: string, options: GenerateOptions = {}) {
        asked.push({ prompt: [...history, { role: 'user', content: text }], options });
        const answer = generation(script, options);
        const said = (result: GenerateResult): void => {
          history = [...history, { role: 'user', content: text }, { role: 'model', content: result.text }];
        };
        answer.then(said, () => undefined);
        return answer;
      },
      clone: async () => session(history),
      dispose: async () => {
        stub.disposed += 1;
      },
    };
    return made as unknown as Session;
  };
  const model = {
    info: {
      chat: true,
      contextLength: script.contextLength ?? 100,
      config: { name: 'stub', nVocab: 1024 },
      defaults: { temperature: 1, topK: 64 },
    },
    generate(prompt: Prompt, options: GenerateOptions = {}) {
      asked.push({ prompt, options });
      return generation(script, options);
    },
    session({ history = [] }: { history?: readonly Message[] }) {
      opened.push(history);
      return session(history);
    },
    tokenize: async (text: string) => text.split(' ').map((_, id) => id),
  };
  const stub: Stub = { model: model as unknown as Gemma, asked, opened, disposed: 0 };
  return stub;
}

/** The text of a prompt's messages. */
export const contents = (prompt: Prompt | undefined): string[] =>
  Array.isArray(prompt) ? (prompt as readonly Message[]).map(({ content }) => content) : [];

/** All items of a stream. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The `GemmaError` with this code and option that a promise must reject with. */
export const invalid = (option: string) => (error: unknown) =>
  error instanceof GemmaError && error.code === 'invalid_option' && error.details['option'] === option && error.message.includes(`"${option}"`);

/** The DOMException of this name. */
export const named = (name: string) => (error: unknown) => error instanceof DOMException && error.name === name;
