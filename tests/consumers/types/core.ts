// Every name of `gemma-web`, used as people would. It is compiled, not run.

import {
  type AdapterInfo,
  type BenchGate,
  type BenchKernels,
  type BenchOptions,
  type BenchProgress,
  type BenchReport,
  type BenchSpread,
  type ByteSource,
  cache,
  type CacheEntry,
  type CacheOutcome,
  type CacheReport,
  type ChatTemplate,
  type DeviceLoss,
  type FinishReason,
  Gemma,
  GemmaError,
  type GemmaErrorCode,
  type GenerateDefaults,
  type GenerateOptions,
  type GenerateResult,
  type GenerateTimings,
  Generation,
  type GenerationTest,
  type GpuBytes,
  type GpuDeviceLike,
  type GpuLike,
  type GpuMemory,
  inspect,
  type Inspection,
  type KernelProfile,
  loadGemma,
  type LoadOptions,
  type LoadProgress,
  type MemoryPlan,
  type Message,
  type ModelCache,
  type ModelConfig,
  type ModelInfo,
  type ModelSource,
  type ModelStats,
  type Overflow,
  type PrefillProgress,
  probe,
  type Probe,
  type ProbeOptions,
  type Prompt,
  type PromptTest,
  type RemoteFile,
  type SavedSession,
  type SavedSessions,
  savedSessions,
  type Score,
  type SendOptions,
  Session,
  type SessionOptions,
  type TokenLogprob,
  type TokenPiece,
  type TokenUsage,
  type TopLogprob,
  type Tuning,
  type Variants,
  type WorkCounts,
} from 'gemma-web';

/** Facts that are known before anything is loaded. */
export async function before(url: string, gpu: GpuLike): Promise<string> {
  const options: ProbeOptions = { gpu };
  const found: Probe = await probe(options);
  if (found.verdict === 'unavailable') return found.why;
  const { config, memory, adapter, storage }: Inspection = await inspect(url, { contextLength: 1024 });
  const { verdict }: MemoryPlan = memory;
  const shape: ModelConfig = config;
  const on: AdapterInfo | null = adapter ?? found.adapter;
  if (verdict.kind === 'fits_with_context') return `up to ${verdict.maxContextLength}`;
  if (verdict.kind === 'does_not_fit') return `${verdict.what}: ${verdict.needs} of ${verdict.offers}`;
  return `${shape.architecture} on ${on?.name ?? 'nothing'}, ${storage?.quota ?? 0}`;
}

const remote: RemoteFile = { url: new URL('https://example.org/gemma.gguf'), headers: { authorization: 'x' }, token: 'x', sha256: 'x' };
const bytes: ByteSource = { size: 4, read: (offset, length, signal) => (signal.aborted ? Promise.reject(signal.reason) : new Uint8Array(length + offset)) };
export const sources: readonly ModelSource[] = ['a.gguf', remote, [remote], ['a', 'b'], new Blob([]), [new Blob([])], new ReadableStream<Uint8Array>(), bytes];

export async function load(source: ModelSource, device: GpuDeviceLike, signal: AbortSignal | undefined): Promise<Gemma> {
  const template: ChatTemplate = (messages) => messages.map(({ role, content }) => `${role}: ${content}\n`).join('');
  const tuning: Tuning = 'f32/1';
  const onProgress = ({ phase, loaded, total, paused }: LoadProgress): void => console.log(phase, loaded, total ?? '?', paused);
  const onDeviceLost = ({ why, attempt }: DeviceLoss): void => console.warn(why, attempt);
  const options: LoadOptions = { signal, onProgress, cache: true, contextLength: 2048, prefillChunk: 64, kv: 'f16', tuning, selfTest: 'fast', template, worker: false, device, idleTimeout: 60_000, onDeviceLost };
  return loadGemma(source, options);
}

export async function describeModel(model: Gemma): Promise<void> {
  const info: ModelInfo = model.info;
  const outcome: CacheOutcome = info.cache;
  const variants: Variants = info.variants;
  const wrong = variants.replaced.map(({ kernel, variant, error }) => `${kernel} ${variant}: ${error}`);
  console.log(variants.arithmetic, variants.lanes, variants.subgroups, variants.kv, variants.kernels, wrong, variants.selfTest.tested, variants.selfTest.known, variants.selfTest.ms);
  const defaults: GenerateDefaults = info.defaults;
  const held: GpuBytes = info.gpuBytes;
  await model.sleep();
  const now: GpuMemory = await model.memory();
  const stats: ModelStats = await model.stats();
  console.log(outcome.stored ? outcome.ids : outcome.why, defaults.topK, held.weights, now.total - now.sessions, stats.submits);
}

export async function generate(model: Gemma, signal: AbortSignal): Promise<string> {
  const message: Message = { role: 'user', content: 'Hello' };
  const prompts: readonly Prompt[] = ['text', [1, 2, 3], [message]];
  const overflow: Overflow = 'truncate';
  const options: GenerateOptions = {
    maxTokens: 8,
    temperature: 0.5,
    topK: 4,
    topP: 0.9,
    minP: 0.1,
    repetitionPenalty: 1.1,
    frequencyPenalty: 0.1,
    presencePenalty: 0.1,
    seed: 1,
    stop: ['x', 'y'],
    logitBias: new Map([[5, -100]]),
    logprobs: 2,
    signal,
    onToken: ({ id, text }: TokenPiece) => console.log(id, text),
    onPrefillProgress: ({ done, total }: PrefillProgress) => console.log(done / total),
    overflow,
    cachePrompt: true,
  };
  const generation: Generation = model.generate(prompts[2] ?? 'text', options);
  for await (const piece of generation) console.log(piece.length);
  for await (const { id, logprob, top } of generation.tokens) console.log(id, logprob, top?.[0]?.text);
  new Response(generation.stream.pipeThrough(new TextEncoderStream()));
  generation.stop();
  const result: GenerateResult = await generation;
  const reason: FinishReason = result.finishReason;
  const usage: TokenUsage = result.usage;
  const timings: GenerateTimings = result.timings;
  const logprobs: readonly TokenLogprob[] = result.logprobs ?? [];
  const top: TopLogprob | undefined = logprobs[0]?.top[0];
  return `${reason} ${usage.cachedTokens + usage.droppedTokens} ${timings.decodePerSecond} ${top?.logprob ?? 0} ${result.seed} ${result.text}`;
}

export async function talk(model: Gemma): Promise<readonly Message[]> {
  const options: SessionOptions = { system: 'Be brief.', history: [{ role: 'user', content: 'Hi' }, { role: 'model', content: 'Hello' }] };
  await using session: Session = model.session(options);
  const how: SendOptions = { maxTokens: 8, overflow: 'slide' };
  const { text } = await session.send('How are you?', how);
  const fork = await session.clone();
  const blob: Blob = await fork.save();
  await fork.save({ name: 'one' });
  const kept: SavedSessions = savedSessions;
  const list: readonly SavedSession[] = await kept.list();
  console.log(text, list.map(({ name, size }) => `${name} ${size}`), await kept.delete('one'));
  const again = await model.restore(blob);
  await (await model.restore({ name: 'one' }, { template: () => '' })).dispose();
  return again.history;
}

export async function texts(model: Gemma): Promise<number> {
  const ids = await model.tokenize('text');
  const vector: Float32Array = await model.embed(await model.detokenize(ids));
  const score: Score = await model.score('text', {});
  const logits: Float32Array = await model.logits(ids);
  console.log(await model.renderChat([{ role: 'user', content: 'x' }]), logits.length);
  return (await model.countTokens('text')) + vector.length + score.perplexity;
}

export async function bench(model: Gemma): Promise<void> {
  const options: BenchOptions = { protocol: 'litert', onProgress: ({ stage, done, total }: BenchProgress) => console.log(stage, done, total) };
  const report: BenchReport = await model.bench(options);
  const parts: readonly (BenchGate | BenchKernels | BenchSpread | GenerationTest | KernelProfile | PromptTest | WorkCounts)[] = [];
  console.log(JSON.stringify(report), parts.length);
}

export async function kept(): Promise<void> {
  const all: ModelCache = cache;
  const entries: readonly CacheEntry[] = await all.list();
  for (const { id, complete } of entries) {
    const report: CacheReport = await all.verify(id);
    if (!complete || report.damaged.length > 0) await all.delete(id);
  }
}

export function told(error: unknown): GemmaErrorCode | 'aborted' | undefined {
  if (error instanceof DOMException && error.name === 'AbortError') return 'aborted';
  return error instanceof GemmaError ? error.code : undefined;
}

// Misuse that must not compile.
export async function wrong(model: Gemma): Promise<void> {
  // @ts-expect-error: models come from loadGemma.
  new Gemma();
  // @ts-expect-error: sessions come from a model.
  new Session();
  // @ts-expect-error: a role is one of four.
  model.generate([{ role: 'robot', content: 'x' }]);
  // @ts-expect-error: a number.
  model.generate('x', { maxTokens: '5' });
  // @ts-expect-error: no such option.
  model.generate('x', { maxTokenz: 5 });
}
