// Types of the Prompt API (https://webmachinelearning.github.io/prompt-api/), as far as it is supported. Names and meanings are the API's.

/** Availability of sessions: at once, after a download that already runs or has yet to start, or not at all. */
export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';

/** Kinds of content. Only text is supported; a request that needs another kind is refused with `NotSupportedError`. */
export type LanguageModelContentType = 'text' | 'image' | 'audio' | 'tool-call' | 'tool-response';

/** A part of a message's content. */
export interface LanguageModelContent {
  readonly type: LanguageModelContentType;
  /** A string if the type is `text`. */
  readonly value: unknown;
}

/** One message. `system` can only be the first of a session. */
export interface LanguageModelMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly LanguageModelContent[];
}

/** A prompt: a text by the user, or messages, the last of them the user's. Messages of one role that follow each other become one. */
export type LanguageModelPrompt = string | readonly LanguageModelMessage[];

/** Randomness of answers; see {@link LanguageModelCreateCoreOptions.samplingMode}. */
export type LanguageModelSamplingMode = 'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative';

/** Options of `availability` and `create`. */
export interface LanguageModelCreateCoreOptions {
  /** A number above 0, rounded down and limited to `params().maxTopK`. Default: the model card's. */
  readonly topK?: number | undefined;
  /** 0 or more, limited to `params().maxTemperature`. Default: the model card's. */
  readonly temperature?: number | undefined;
  /**
   * Randomness in place of `topK` and `temperature`: always the likeliest token, or 0.5, 1, 1.25 or 1.5 times the temperature of the model
   * card.
   */
  readonly samplingMode?: LanguageModelSamplingMode | undefined;
  /** Types other than `text` are not available. Any language is accepted: Gemma knows many, none of them reliably. */
  readonly expectedInputs?: readonly LanguageModelExpected[] | undefined;
  /** The same for outputs. */
  readonly expectedOutputs?: readonly LanguageModelExpected[] | undefined;
  /** Tools are not available; an empty list is accepted. */
  readonly tools?: readonly object[] | undefined;
}

/** Type and languages of inputs or outputs. */
export interface LanguageModelExpected {
  readonly type: LanguageModelContentType;
  readonly languages?: readonly string[] | undefined;
}

/** Monitor of a download, by `downloadprogress` events: `loaded` goes from 0 to 1, `total` is 1. */
export interface LanguageModelMonitor extends EventTarget {
  ondownloadprogress: ((event: ProgressEvent) => unknown) | null;
}

/** Options of `create`. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Stops the creation; if it is aborted later, it destroys the session. */
  readonly signal?: AbortSignal | undefined;
  /** Called at once with a monitor of the download. */
  readonly monitor?: ((monitor: LanguageModelMonitor) => unknown) | undefined;
  /** Beginning of the session: a system message, if any, and earlier turns. */
  readonly initialPrompts?: readonly LanguageModelMessage[] | undefined;
}

/** Options of `prompt` and `promptStreaming`. */
export interface LanguageModelPromptOptions {
  /** Ends the answer with an error; the session is then the same as before the prompt. */
  readonly signal?: AbortSignal | undefined;
}

/** Limits and default values of a model's sampling. */
export interface LanguageModelParams {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}

/** A conversation. Calls run one after another. */
export interface LanguageModelSession extends EventTarget {
  /**
   * Answers a prompt.
   *
   * Rejects with a `QuotaExceededError` (`requested`, `quota`) if the prompt alone does not fit into the context, `NotSupportedError` for
   * content other than text, for `responseConstraint` and for `prefix`, `TypeError` for a system message after others, `AbortError` after an
   * abort or `destroy()`, and with a `GemmaError` if the GPU fails.
   */
  prompt(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<string>;
  /** Answers a prompt piece by piece. The stream fails as `prompt` rejects; cancelling it ends the answer. */
  promptStreaming(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): ReadableStream<string>;
  /** Adds messages to the conversation without an answer. They are computed with the next prompt. */
  append(input: LanguageModelPrompt, options?: { readonly signal?: AbortSignal | undefined }): Promise<undefined>;
  /** Tokens that an input would take. */
  measureContextUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** The older name of {@link LanguageModelSession.measureContextUsage}. */
  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** Tokens of the conversation. */
  readonly contextUsage: number;
  /** The older name of `contextUsage`. */
  readonly inputUsage: number;
  /** Tokens that the conversation may have, answer included. If it gets longer, the oldest turns are dropped, but never the system message. */
  readonly contextWindow: number;
  /** The older name of `contextWindow`. */
  readonly inputQuota: number;
  /** Called, beside listeners of the `contextoverflow` event, when turns were dropped. */
  oncontextoverflow: ((event: Event) => unknown) | null;
  /** The older name of `oncontextoverflow`; the event is `quotaoverflow`. */
  onquotaoverflow: ((event: Event) => unknown) | null;
  readonly topK: number;
  readonly temperature: number;
  /** The value given to `create`. */
  readonly samplingMode: LanguageModelSamplingMode | null;
  /** Starts another session with the same history; nothing is computed again. */
  clone(options?: { readonly signal?: AbortSignal | undefined }): Promise<LanguageModelSession>;
  /** Ends all calls under way with an `AbortError` and frees the session's memory. The model stays loaded. */
  destroy(): undefined;
}

/** The type of the global `LanguageModel`, which browsers with a model of their own have. */
export interface LanguageModelFactory {
  /** Tells whether sessions with these options can be created. It downloads nothing. */
  availability(options?: LanguageModelCreateCoreOptions): Promise<Availability>;
  /**
   * Creates a session, and loads the model first if it is not loaded.
   *
   * Rejects with `NotSupportedError` for tools and types other than text, `TypeError` and `RangeError` for invalid options,
   * `QuotaExceededError` if `initialPrompts` do not fit into the context, `AbortError` after an abort, and with a `GemmaError` if the model
   * cannot be loaded; then it may be called again.
   */
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>;
  /** Returns the limits and default values of the model's sampling; null before a model is loaded. */
  params(): Promise<LanguageModelParams | null>;
}
