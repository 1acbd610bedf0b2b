// The Prompt API's shape (https://webmachinelearning.github.io/prompt-api/), as far as it is here. Names and meanings are its.

/** Whether sessions can be created: at once, after a download that runs already or is yet to start, or not at all. */
export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';

/** Kinds of content. There is text here; whatever needs another kind is refused with `NotSupportedError`. */
export type LanguageModelContentType = 'text' | 'image' | 'audio' | 'tool-call' | 'tool-response';

/** A part of a message's content. */
export interface LanguageModelContent {
  readonly type: LanguageModelContentType;
  /** Of a text a string. */
  readonly value: unknown;
}

/** One message. `system` can only be the first of a session. */
export interface LanguageModelMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly LanguageModelContent[];
}

/** What is said: a text by the user, or messages, the last of them the user's. Those of one role that follow each other become one. */
export type LanguageModelPrompt = string | readonly LanguageModelMessage[];

/** How adventurous answers are; see {@link LanguageModelCreateCoreOptions.samplingMode}. */
export type LanguageModelSamplingMode = 'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative';

/** What `availability` and `create` take. */
export interface LanguageModelCreateCoreOptions {
  /** Above 0; a fraction is cut off, and what is above `params().maxTopK` taken as that. Default: the model card's. */
  readonly topK?: number | undefined;
  /** 0 or more; what is above `params().maxTemperature` is taken as that. Default: the model card's. */
  readonly temperature?: number | undefined;
  /**
   * In place of `topK` and `temperature`: the likeliest token always, half the temperature of the model card, that temperature, 1.25 and
   * 1.5 times it.
   */
  readonly samplingMode?: LanguageModelSamplingMode | undefined;
  /** Types other than `text` are not available. Languages are taken as they come: Gemma knows many, none of them surely. */
  readonly expectedInputs?: readonly LanguageModelExpected[] | undefined;
  /** As `expectedInputs`. */
  readonly expectedOutputs?: readonly LanguageModelExpected[] | undefined;
  /** Not available, unless there are none. */
  readonly tools?: readonly object[] | undefined;
}

/** What comes in or goes out. */
export interface LanguageModelExpected {
  readonly type: LanguageModelContentType;
  readonly languages?: readonly string[] | undefined;
}

/** Where a download stands is told here, by `downloadprogress` events: `loaded` goes from 0 to 1, `total` is 1. */
export interface LanguageModelMonitor extends EventTarget {
  ondownloadprogress: ((event: ProgressEvent) => unknown) | null;
}

/** What `create` takes. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Stops the creation; aborted later on it destroys the session. */
  readonly signal?: AbortSignal | undefined;
  /** Is called at once with what tells of the download. */
  readonly monitor?: ((monitor: LanguageModelMonitor) => unknown) | undefined;
  /** What the session begins with: a system message, if any, and turns that were spoken before. */
  readonly initialPrompts?: readonly LanguageModelMessage[] | undefined;
}

/** What `prompt` and `promptStreaming` take. */
export interface LanguageModelPromptOptions {
  /** Ends the answer with an error; the session is then as if nothing had been asked. */
  readonly signal?: AbortSignal | undefined;
}

/** Sampling of a model. */
export interface LanguageModelParams {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}

/** A conversation. Calls are carried out one after another. */
export interface LanguageModelSession extends EventTarget {
  /**
   * Answers.
   *
   * Rejects with a `QuotaExceededError` (`requested`, `quota`) where the prompt alone does not fit into the context, `NotSupportedError` for
   * what is not text, for `responseConstraint` and for `prefix`, `TypeError` for a system message behind others, `AbortError` after an
   * abort or `destroy()`, and with a `GemmaError` by the GPU.
   */
  prompt(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<string>;
  /** The same, piece by piece; what `prompt` rejects with is the stream's error. Cancelling it ends the answer. */
  promptStreaming(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): ReadableStream<string>;
  /** Adds to the conversation without an answer. It is computed with the next prompt. */
  append(input: LanguageModelPrompt, options?: { readonly signal?: AbortSignal | undefined }): Promise<undefined>;
  /** Tokens that an input would take. */
  measureContextUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** The older name of {@link LanguageModelSession.measureContextUsage}. */
  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** Tokens of the conversation. */
  readonly contextUsage: number;
  /** The older name of `contextUsage`. */
  readonly inputUsage: number;
  /** Tokens that the conversation may have, answer included. Where it gets longer the oldest turns are left out, but never the system message. */
  readonly contextWindow: number;
  /** The older name of `contextWindow`. */
  readonly inputQuota: number;
  /** Called, beside listeners of the `contextoverflow` event, when turns were left out. */
  oncontextoverflow: ((event: Event) => unknown) | null;
  /** The older name of `oncontextoverflow`; the event is `quotaoverflow`. */
  onquotaoverflow: ((event: Event) => unknown) | null;
  readonly topK: number;
  readonly temperature: number;
  /** As it was given to `create`. */
  readonly samplingMode: LanguageModelSamplingMode | null;
  /** Another session that begins as this one; nothing is computed again. */
  clone(options?: { readonly signal?: AbortSignal | undefined }): Promise<LanguageModelSession>;
  /** Ends whatever is under way with an `AbortError` and frees the session's memory. The model stays. */
  destroy(): undefined;
}

/** What the global `LanguageModel` is where a browser has a model of its own. */
export interface LanguageModelFactory {
  /** Whether sessions with these options can be created. Nothing is downloaded for it. */
  availability(options?: LanguageModelCreateCoreOptions): Promise<Availability>;
  /**
   * Makes a session, and loads the model if that was not done before.
   *
   * Rejects with `NotSupportedError` for tools and types other than text, `TypeError` and `RangeError` for options that make no sense,
   * `QuotaExceededError` where `initialPrompts` don't fit into the context, `AbortError` after an abort, and with a `GemmaError` where the
   * model can't be loaded; then it may be called again.
   */
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>;
  /** The model's sampling; null before a model is loaded. */
  params(): Promise<LanguageModelParams | null>;
}
