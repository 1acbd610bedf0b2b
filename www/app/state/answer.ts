// The answer that is being written: asks the model, shows the text once a frame, and saves it as it grows.

import { batch, computed, signal } from '@preact/signals';
import type { Generation, GenerateResult, PrefillProgress } from 'gemma-web';
import { type Failure, failureOf } from '../failure.js';
import { current, save, update } from './chats.js';
import { type Loaded, loaded, lost, recovering } from './engine.js';
import { go } from './route.js';
import { promptOf } from './prompt.js';
import { generateOptions, settings } from './settings.js';
import { add, branchTo, change, type Conversation, newId, remove, type Turn } from './tree.js';

export interface Answer {
  readonly conversation: string;
  readonly turn: string;
  readonly prefill: PrefillProgress | undefined;
  readonly writing: boolean;
  /** Tokens of the prompt, once they are counted. */
  readonly promptTokens: number;
}

export const answer = signal<Answer | undefined>(undefined);
/** The text of the answer so far; changes at most once a frame. */
export const streamed = signal('');
/** Tokens of that text; changes with it. */
export const streamedTokens = signal(0);
/** The failure of the last answer. */
export const problem = signal<Failure | undefined>(undefined);
export const busy = computed(() => answer.value !== undefined);

let generation: Generation | undefined;

/** Time between two saves of a growing answer, so that little is lost with the page. */
const SAVE_MS = 1500;
/** Largest part of the time that showing may take: otherwise long answers would take all of it. */
const SHARE = 0.25;

export function stop(): void {
  generation?.stop();
}

/** Adds the reader's message after a turn, and asks for the answer. */
export async function ask(text: string, parent: string | null = current.value.leaf): Promise<void> {
  if (!loaded.value || busy.value) return;
  const turn: Turn = { id: newId(), parent, role: 'user', text, at: Date.now() };
  await respond(add(current.value, turn), turn.id);
}

/** Asks for another answer to a turn; continues a text after it. */
export async function respond(conversation: Conversation, parent: string | null): Promise<void> {
  const model = loaded.value;
  if (!model || busy.value) return;
  const turn: Turn = { id: newId(), parent, role: 'assistant', text: '', at: Date.now(), model: model.choice.name, ending: 'interrupted' };
  const asked = add(conversation, turn);
  answer.value = { conversation: asked.id, turn: turn.id, prefill: undefined, writing: false, promptTokens: 0 };
  streamed.value = '';
  streamedTokens.value = 0;
  problem.value = undefined;
  current.value = asked;
  void save(asked);
  go({ screen: 'chat', id: asked.id });
  await run(model, asked, turn);
}

async function run(model: Loaded, asked: Conversation, turn: Turn): Promise<void> {
  const { gemma, choice } = model;
  const stream = new AnswerStream(asked, turn.id);
  let ended: Conversation;
  try {
    const prompt = promptOf(asked, branchTo(asked, turn.parent), gemma.info.config.architecture);
    // The engine does one thing at a time, so it counts before it answers.
    const counted = (promptTokens: number): void => void (answer.value?.turn === turn.id && (answer.value = { ...answer.value, promptTokens }));
    gemma.countTokens(prompt).then(counted, () => undefined);
    generation = gemma.generate(prompt, {
      ...generateOptions(settings.value),
      cachePrompt: true,
      overflow: 'slide',
      onToken: ({ text }) => stream.write(text),
      onPrefillProgress: (prefill) => answer.value && (answer.value = { ...answer.value, prefill }),
    });
    const result = await generation;
    ended = change(stream.latest(), turn.id, { text: result.text, ending: result.finishReason, figures: figuresOf(result), model: choice.name });
    // It was stopped before the first token.
    if (result.text === '' && result.finishReason === 'cancelled') ended = remove(ended, turn.id);
  } catch (error) {
    const failure = failureOf(error) ?? { code: 'aborted', message: '' };
    problem.value = failure;
    if (['device_lost', 'disposed', 'internal'].includes(failure.code)) lost(model);
    const text = stream.text;
    ended = text === '' ? remove(stream.latest(), turn.id) : change(stream.latest(), turn.id, { text, ending: 'failed' });
  }
  stream.end();
  generation = recovering.value = undefined;
  let saved: Promise<void> | undefined;
  // In one batch, so that the text does not flicker.
  batch(() => {
    saved = update(ended);
    answer.value = undefined;
  });
  await saved;
}

function figuresOf({ usage, timings }: GenerateResult): Turn['figures'] {
  return { ...usage, firstTokenMs: timings.firstTokenMs, tokensPerSecond: timings.decodePerSecond };
}

/** The text of an answer as it grows: shown once a frame, and saved from time to time. */
class AnswerStream {
  text = '';
  #tokens = 0;
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #savedAt = performance.now();
  #freeAt = 0;
  readonly #asked: Conversation;
  readonly #turn: string;

  constructor(asked: Conversation, turn: string) {
    this.#asked = asked;
    this.#turn = turn;
  }

  write(piece: string): void {
    this.text += piece;
    this.#tokens += 1;
    // A hidden page gets no frames, not even one that was requested before.
    if (document.hidden && this.#frame !== undefined) {
      cancelAnimationFrame(this.#frame);
      this.#frame = undefined;
    }
    if (this.#frame !== undefined || this.#timer !== undefined) return;
    const wait = this.#freeAt - performance.now();
    if (document.hidden || wait > 16) this.#timer = setTimeout(() => this.#show(), document.hidden ? 250 : wait);
    else this.#frame = requestAnimationFrame(() => this.#show());
  }

  /** The conversation with the text so far. The reader may have changed its title meanwhile. */
  latest(): Conversation {
    const shown = current.value.id === this.#asked.id ? current.value : this.#asked;
    return change(shown, this.#turn, { text: this.text });
  }

  end(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  #show(): void {
    this.#frame = this.#timer = undefined;
    const begin = performance.now();
    batch(() => {
      if (answer.value && !answer.value.writing) answer.value = { ...answer.value, writing: true };
      streamed.value = this.text;
      streamedTokens.value = this.#tokens;
    });
    const end = performance.now();
    this.#freeAt = end + (end - begin) * (1 / SHARE - 1);
    if (end - this.#savedAt < SAVE_MS) return;
    this.#savedAt = end;
    void save(this.latest());
  }
}
