// The public shapes of prompts, generations and what they resolve to. Times are in milliseconds, rates in tokens per second.

/**
 * One message of a conversation. A `system` message can only be the first; Gemma 3 reads it in front of the first user message, Gemma 1
 * and 2 know none. `model` is another word for `assistant`. White space around the contents is left out, as the model's own template does.
 */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'model';
  /** What is said: text, whatever it looks like. A `<end_of_turn>` in it ends nothing. */
  readonly content: string;
}

/**
 * What a text is generated from: a text that is continued (a beginning-of-sequence token is put in front where the model wants one, and
 * control tokens written out in it stay text); token ids, taken exactly as they are; or a conversation that is answered.
 */
export type Prompt = string | readonly number[] | readonly Message[];

/**
 * Turns a conversation into the text a fine-tuned model expects, up to where its answer begins. Control tokens (`<start_of_turn>`) in the
 * text are meant as such, but those in the contents of messages stay text: contents are handed over with an invisible mark in them,
 * U+FDD0, after each `<` and `[`, which has to be left where it is. The beginning-of-sequence token is put in front if it isn't there.
 */
export type ChatTemplate = (messages: readonly Message[]) => string;

/** What is done where prompt and answer don't fit into the context: see {@link GenerateOptions.overflow}. */
export type Overflow = 'error' | 'slide' | 'truncate';

/** Tokens of a prompt that are computed so far. */
export interface PrefillProgress {
  readonly done: number;
  /** All that are to be computed: those taken over from the session or the last prompt are not among them. */
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
  /** Is taken from the logit of a token for each time it is among the last 64, prompt included: -2 to 2. Default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** Is taken from the logits of the tokens among the last 64, prompt included: -2 to 2. Default 0. */
  readonly presencePenalty?: number | undefined;
  /** Makes a run repeatable: an integer from 0 on. Default: a new one for every call. */
  readonly seed?: number | undefined;
  /**
   * Text that ends the answer where it appears, across tokens too; it is not part of the answer. Up to 16, each of 1 to 1000 characters.
   * Default: none.
   */
  readonly stop?: string | readonly string[] | undefined;
  /** By token id, what is added to its logit: -100 to 100, or `-Infinity` to forbid it. Up to 256 tokens. Default none. */
  readonly logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number> | undefined;
  /**
   * Log-probabilities of the generated tokens and of so many likeliest ones at each place: 0 to 20. They are those of the model, before
   * penalties, biases and temperature. All logits are read back for them, which slows generating down. Default: none.
   */
  readonly logprobs?: number | undefined;
  /** Stops the generation; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each token as it arrives. An exception thrown here ends the generation and rejects its promise. */
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  /** Called after each chunk of the prompt. An exception thrown here ends the generation and rejects its promise. */
  readonly onPrefillProgress?: ((progress: PrefillProgress) => void) | undefined;
  /**
   * What is done where the context is too short. `"error"` (the default): a prompt that does not fit rejects with code `context_full`, an
   * answer ends with reason `"length"`. `"truncate"`: the oldest of the prompt is left out, whole turns of a conversation but never its
   * system text, so that it and `maxTokens`, or half the context where that is less, fit. `"slide"`: so, and an answer that reaches the
   * end of the context goes on after the oldest was left out down to half of it. `usage.droppedTokens` says how much that was.
   */
  readonly overflow?: Overflow | undefined;
  /**
   * Whether what the prompt has in common with the last one of this kind is taken over instead of being computed again. Default false: the
   * same seed gives the same text, to the last bit. Sessions always take over what they can.
   */
  readonly cachePrompt?: boolean | undefined;
  /** The turn format in place of the model's own, for prompts of messages. Default: that of `loadGemma`, else the model's. */
  readonly template?: ChatTemplate | undefined;
}

/** One generated token. */
export interface TokenPiece {
  /** Its id in the model's vocabulary. */
  readonly id: number;
  /** The text it completes; empty while a character is unfinished, or while it may be the beginning of a stop text. */
  readonly text: string;
  /** Natural logarithm of its probability; there with the option `logprobs`. */
  readonly logprob?: number;
  /** The likeliest tokens at its place, likeliest first; there with the option `logprobs`. */
  readonly top?: readonly TopLogprob[];
}

/** A token that might have been chosen, with the natural logarithm of its probability. */
export interface TopLogprob {
  readonly id: number;
  readonly text: string;
  readonly logprob: number;
}

/** A generated token with the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number;
  /** What it stands for by itself; U+FFFD where that is part of a character. */
  readonly text: string;
  readonly logprob: number;
  /** The likeliest tokens at its place, likeliest first: as many as the option `logprobs` asks for. */
  readonly top: readonly TopLogprob[];
}

/**
 * Why a text ended. `"stop"`: the model ended it, or one of the `stop` texts appeared. `"length"`: `maxTokens` or the context was reached.
 * `"cancelled"`: by `stop()`.
 */
export type FinishReason = 'stop' | 'length' | 'cancelled';

/** What a generation resolves to. */
export interface GenerateResult {
  /** The generated text, without the prompt and without a stop text. */
  readonly text: string;
  /** The generated ids, without the end token; those of a stop text are among them. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: TokenUsage;
  readonly timings: GenerateTimings;
  /** The seed that was used: repeats a sampled text on the same adapter. */
  readonly seed: number;
  /** One for each of `tokens`; there with the option `logprobs`. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** Tokens of a generation. */
export interface TokenUsage {
  /** Tokens of the prompt, beginning-of-sequence and what a session said before included. */
  readonly promptTokens: number;
  /** Generated tokens, the end token not counted. */
  readonly completionTokens: number;
  /** Of `promptTokens`, those that were taken over instead of being computed. */
  readonly cachedTokens: number;
  /** Tokens that were left out, see {@link GenerateOptions.overflow}; they are not among `promptTokens`. */
  readonly droppedTokens: number;
}

/** Time spent, in milliseconds, and rates, in tokens per second. */
export interface GenerateTimings {
  /** Computing the prompt. */
  readonly promptMs: number;
  /** From the moment it was this generation's turn to the first token. */
  readonly firstTokenMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  readonly promptPerSecond: number;
  readonly decodePerSecond: number;
}

/** What `score` resolves to. */
export interface Score {
  /** Each token of the text after the first (which is the beginning-of-sequence token, where the model wants one). */
  readonly tokens: readonly TopLogprob[];
  /** Sum of the log-probabilities: the natural logarithm of the probability of the whole text. */
  readonly total: number;
  /** exp(-total / tokens): how many tokens the model was, on average, undecided between. */
  readonly perplexity: number;
}
