// The public types of prompts, generations and their results. Times are in milliseconds, rates in tokens per second.

/**
 * One message of a conversation. A `system` message can only be the first; Gemma 3 reads it in front of the first user message, Gemma 1
 * and 2 know none. `model` is another word for `assistant`. White space around the content is removed, as in the model's own template.
 */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'model';
  /** The message's text. It stays text: a `<end_of_turn>` in it ends nothing. */
  readonly content: string;
}

/**
 * A prompt: a text to continue (a beginning-of-sequence token goes in front if the model wants one, and control tokens written out in the text
 * stay text); token ids, taken exactly as they are; or a conversation to answer.
 */
export type Prompt = string | readonly number[] | readonly Message[];

/**
 * A function that renders a conversation as the text that a fine-tuned model expects, up to the beginning of its answer. Control tokens
 * (`<start_of_turn>`) in that text count as such, but those in the contents of messages stay text: the function receives contents with an
 * invisible mark, U+FDD0, after each `<` and `[`, and has to leave it there. The beginning-of-sequence token goes in front if it is missing.
 */
export type ChatTemplate = (messages: readonly Message[]) => string;

/** Behaviour if prompt and answer do not fit into the context: see {@link GenerateOptions.overflow}. */
export type Overflow = 'error' | 'slide' | 'truncate';

/** Progress of a prompt: tokens computed so far. */
export interface PrefillProgress {
  readonly done: number;
  /** All tokens to compute, without those taken over from the session or the last prompt. */
  readonly total: number;
}

/** Options of `generate` and `send`. */
export interface GenerateOptions {
  /** Most tokens to generate. Default 256. */
  readonly maxTokens?: number | undefined;
  /** 0 always takes the likeliest token; higher is more random. Default: the model card's, `info.defaults`; for Gemma 1. */
  readonly temperature?: number | undefined;
  /** Only the k likeliest tokens are drawn from; 0 switches this off. Default: the model card's; for Gemma 64. */
  readonly topK?: number | undefined;
  /** Only the likeliest tokens that together reach this probability are drawn from. Default: the model card's; for Gemma 0.95. */
  readonly topP?: number | undefined;
  /** Only tokens at least this fraction as likely as the likeliest are drawn from. Default: the model card's; for Gemma 0. */
  readonly minP?: number | undefined;
  /** Divides the positive and multiplies the negative logits of the last 64 tokens, prompt included. Default 1: no change. */
  readonly repetitionPenalty?: number | undefined;
  /** Subtracted from the logit of a token for each time it occurs among the last 64, prompt included: -2 to 2. Default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** Subtracted from the logits of the tokens among the last 64, prompt included: -2 to 2. Default 0. */
  readonly presencePenalty?: number | undefined;
  /** Makes a run repeatable: an integer from 0 on. Default: a new one for every call. */
  readonly seed?: number | undefined;
  /**
   * Texts that end the answer when they appear, also across tokens; they are not part of the answer. Up to 16, each of 1 to 1000 characters.
   * Default: none.
   */
  readonly stop?: string | readonly string[] | undefined;
  /** Values to add to logits, by token id: -100 to 100, or `-Infinity` to forbid the token. Up to 256 tokens. Default: none. */
  readonly logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number> | undefined;
  /**
   * Number of likeliest tokens, 0 to 20, whose log-probabilities are returned at each place, beside the generated token's. They are the
   * model's, before penalties, biases and temperature. All logits are read back for them, which slows generation down. Default: none.
   */
  readonly logprobs?: number | undefined;
  /** Stops the generation; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each token as it arrives. An exception thrown here ends the generation and rejects its promise. */
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  /** Called after each chunk of the prompt. An exception thrown here ends the generation and rejects its promise. */
  readonly onPrefillProgress?: ((progress: PrefillProgress) => void) | undefined;
  /**
   * Behaviour if the context is too short. `"error"` (the default): a prompt that does not fit rejects with code `context_full`, and an answer
   * ends with reason `"length"`. `"truncate"`: the oldest part of the prompt is dropped (of a conversation whole turns, but never its system
   * text), so that the rest fits beside `maxTokens`, or half the context if that is less. `"slide"`: the same, and an answer that reaches the
   * end of the context continues after the oldest tokens were dropped down to half of it. `usage.droppedTokens` counts them.
   */
  readonly overflow?: Overflow | undefined;
  /**
   * Whether a beginning that the prompt shares with the last one of its kind is taken over instead of being computed again. Default false: the
   * same seed gives the same text, to the last bit. Sessions always take over as much as they can.
   */
  readonly cachePrompt?: boolean | undefined;
  /** The turn format in place of the model's own, for prompts of messages. Default: that of `loadGemma`, else the model's. */
  readonly template?: ChatTemplate | undefined;
}

/** One generated token. */
export interface TokenPiece {
  /** Its id in the model's vocabulary. */
  readonly id: number;
  /** The text that it completes; empty while a character is unfinished or while the text may be the beginning of a stop text. */
  readonly text: string;
  /** Natural logarithm of its probability; present with the option `logprobs`. */
  readonly logprob?: number;
  /** The likeliest tokens at its place, likeliest first; present with the option `logprobs`. */
  readonly top?: readonly TopLogprob[];
}

/** A candidate token with the natural logarithm of its probability. */
export interface TopLogprob {
  readonly id: number;
  readonly text: string;
  readonly logprob: number;
}

/** A generated token with the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number;
  /** The token's own text; U+FFFD if that is only part of a character. */
  readonly text: string;
  readonly logprob: number;
  /** The likeliest tokens at its place, likeliest first: as many as the option `logprobs` asks for. */
  readonly top: readonly TopLogprob[];
}

/**
 * Reason why a text ended. `"stop"`: the model ended it, or one of the `stop` texts appeared. `"length"`: it reached `maxTokens` or the end of
 * the context. `"cancelled"`: `stop()` was called.
 */
export type FinishReason = 'stop' | 'length' | 'cancelled';

/** Result of a generation. */
export interface GenerateResult {
  /** The generated text, without the prompt and without a stop text. */
  readonly text: string;
  /** The generated ids, without the end token but with those of a stop text. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: TokenUsage;
  readonly timings: GenerateTimings;
  /** The seed that was used; it repeats a sampled text on the same adapter. */
  readonly seed: number;
  /** One for each of `tokens`; present with the option `logprobs`. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** Token counts of a generation. */
export interface TokenUsage {
  /** Tokens of the prompt, with the beginning-of-sequence token and a session's earlier messages. */
  readonly promptTokens: number;
  /** Generated tokens, the end token not counted. */
  readonly completionTokens: number;
  /** Those of `promptTokens` that were taken over instead of being computed. */
  readonly cachedTokens: number;
  /** Tokens that were dropped, see {@link GenerateOptions.overflow}; `promptTokens` does not count them. */
  readonly droppedTokens: number;
}

/** Time spent, in milliseconds, and rates, in tokens per second. */
export interface GenerateTimings {
  /** Time to compute the prompt. */
  readonly promptMs: number;
  /** Time from the beginning of this generation's turn to the first token. */
  readonly firstTokenMs: number;
  /** Time from the first token to the last. */
  readonly decodeMs: number;
  readonly promptPerSecond: number;
  readonly decodePerSecond: number;
}

/** Result of {@link Gemma.score}. */
export interface Score {
  /** The tokens of the text after the first (which is the beginning-of-sequence token if the model wants one). */
  readonly tokens: readonly TopLogprob[];
  /** Sum of the log-probabilities: the natural logarithm of the probability of the whole text. */
  readonly total: number;
  /** exp(-total / tokens): how many tokens the model was, on average, undecided between. */
  readonly perplexity: number;
}
