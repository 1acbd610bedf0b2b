// Loading and inspecting in the engine: the source with its cache entries, the GPU, and the record of its adapter.

import { type CallMessage, type EngineMessage, type InlineTarget, type ReadableFile, type SentFile, type SentLoad, type SentSource } from '../shared/protocol.js';
import { storageManager } from '../shared/storage.js';
import type { LoadProgress } from '../types/load.js';
import type { GenerateDefaults, Inspection, ModelInfo } from '../types/model.js';
import { Engine, locate } from '../pkg/gemma_web.js';
import { openAdapterRecord } from './adapter-record.js';
import { blobFile, portFile } from './byte-reader.js';
import { type OpenEntries, type OpenEntry, openEntries, openExistingEntries, uncached } from './cache-store.js';
import { withGpu } from './gpu-shim.js';
import { LoadMeter, type LoadReport, WAITING } from './load-meter.js';
import type { OpfsWriterClient } from './opfs-writer-client.js';

/** A loaded model with its engine. */
export interface LoadedModel {
  readonly engine: Engine;
  readonly info: ModelInfo;
  /** Gives the GPU back at once, even while the engine uses it. */
  release(): void;
}

/** The reason why an engine without a worker stores nothing. */
const NO_WORKER = 'the engine runs without a worker, and only workers can keep files as they arrive';

/** Surroundings of a load. `signal` ends it if the engine runs inline, where no worker can be terminated. */
interface LoadContext {
  readonly emit: (message: EngineMessage) => void;
  readonly startWriter: () => OpfsWriterClient;
  readonly target: InlineTarget | undefined;
  readonly signal: AbortSignal;
}

/** Loads a model. `before`: its engine, if the model is loaded again after it gave its GPU back. */
export async function loadModel(call: SentLoad, { emit, startWriter, target, signal }: LoadContext, before?: Engine): Promise<LoadedModel> {
  const onProgress = (progress: LoadProgress): void => emit({ type: 'progress', progress });
  const gpu = target && (target.gpu ?? (target.device ? null : undefined));
  const opened = openAdapterRecord(gpu);
  // It is awaited below, unless something fails before.
  opened.catch(() => undefined);
  const openCache = (ids: readonly string[]): Promise<OpenEntries> => {
    if (!call.cache) return Promise.resolve(uncached('the option `cache` is false'));
    if (target) return Promise.resolve(uncached(NO_WORKER));
    return openEntries(ids, { onWaiting: () => onProgress(WAITING), onStoring: () => emit({ type: 'persist' }), startWriter });
  };
  const { source, outcome, close } = await openSource(call.source, openCache);
  const meter = new LoadMeter();
  try {
    const { record, save } = await opened;
    const onReport = (report: LoadReport): void => onProgress(meter.report(report, performance.now()));
    const options = { ...record, ...call.options };
    const load = async (): Promise<Engine> => {
      if (!before) return Engine.load(source, options, onReport, signal);
      await before.revive(source, onReport, signal);
      return before;
    };
    const { value: engine, release } = await withGpu(target ?? {}, load);
    const properties = engine.info() as Omit<ModelInfo, 'cache'>;
    const info = { ...properties, defaults: inDecimal(properties.defaults), cache: outcome() };
    // The caller's choice says nothing about speed. A record that cannot be saved is no reason to fail: the next load measures again.
    const tuning = call.options['tuning'] === undefined ? info.tuning : record.tuning;
    await save({ tuning, tested: engine.tested() || record.tested }).catch(() => undefined);
    return { engine, info, release };
  } finally {
    await close();
  }
}

/** Numbers as people write them: 0.95, not the nearest f32. */
function inDecimal({ maxTokens, temperature, topK, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty }: GenerateDefaults): GenerateDefaults {
  const short = (value: number): number => Number(value.toPrecision(6));
  const penalties = { repetitionPenalty: short(repetitionPenalty), frequencyPenalty: short(frequencyPenalty), presencePenalty: short(presencePenalty) };
  return { maxTokens, temperature: short(temperature), topK, topP: short(topP), minP: short(minP), ...penalties };
}

/** Inspects a model. */
export async function inspectModel(call: CallMessage & { type: 'inspect' }, target: InlineTarget | undefined): Promise<Inspection> {
  const openCache = (ids: readonly string[]): Promise<OpenEntries> =>
    call.cache && !target ? openExistingEntries(ids) : Promise.resolve(uncached(''));
  const { source, close } = await openSource(call.source, openCache);
  try {
    const inspected = await withGpu(target ?? {}, () => Engine.inspect(source, call.options));
    inspected.release();
    return { ...(inspected.value as Omit<Inspection, 'storage'>), storage: await estimateStorage() };
  } finally {
    await close();
  }
}

/** A source as the engine's Rust half takes it, with the cache entries of its files open. */
async function openSource(
  sent: SentSource,
  openCache: (ids: readonly string[]) => Promise<OpenEntries>,
): Promise<{ source: unknown } & Pick<OpenEntries, 'outcome' | 'close'>> {
  const local = (source: string | readonly ReadableFile[], why: string): { source: unknown } & OpenEntries => ({ source, ...uncached(why) });
  if (sent.kind === 'blobs') return local(sent.blobs.map(blobFile), 'it is read in place');
  if (sent.kind === 'readables') return local(sent.readables, 'it is read in place');
  if (sent.kind === 'port') return local([portFile(sent.port, sent.size, sent.name)], 'it comes from the page itself');
  const [first] = sent.files;
  if (sent.files.length === 1 && first?.url.startsWith('synthetic:')) return local(first.url, 'it is made up');
  const files = locate(sent.files) as (SentFile & { readonly id: string })[];
  // An address that the page made up, such as a Blob's, means nothing tomorrow.
  const lasting = files.every(({ url }) => /^https?:/.test(url));
  const opened = lasting ? await openCache(files.map(({ id }) => id)) : uncached('its address is none of a server');
  const source = files.map((file): SentFile & { store: OpenEntry | undefined } => ({ ...file, store: opened.entries.get(file.id) }));
  return { ...opened, source };
}

/** Quota and usage of this origin's storage; null if the browser does not say. */
async function estimateStorage(): Promise<Inspection['storage']> {
  const { quota, usage } = (await storageManager()?.estimate?.()) ?? {};
  return quota === undefined || usage === undefined ? null : { quota, usage };
}
