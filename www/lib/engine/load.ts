// How the engine gets a model: the source with its entries in the cache, the GPU, and what is remembered of it.

import { Engine, locate } from '../pkg/gemma_web.js';
import { blobPart, type Part, portPart } from '../page/byte-server.js';
import type { Told } from './calls.js';
import type { Writer } from './opfs-writer-client.js';
import { withGpu } from './gpu-shim.js';
import type { Setting } from '../page/transport.js';
import { type EngineReport, Meter, WAITING } from './load-meter.js';
import type { CallMessage, SentLoad } from '../shared/protocol.js';
import type { SentFile, SentSource } from '../page/source.js';
import { notKept, type Opened, openEntries, openExisting, type Store } from './cache-store.js';
import { recallTuning } from './adapter-record.js';
import type { GenerateDefaults, Inspection, LoadProgress, ModelInfo } from '../types/model.js';

/** An engine with what is to be told of it. */
export interface Loaded {
  readonly engine: Engine;
  readonly info: ModelInfo;
  /** Gives the GPU back at once, whatever the engine does. */
  release(): void;
}

/** Why nothing is kept where there is no worker. */
const NO_WORKER = 'the engine runs without a worker, and only workers can keep files as they arrive';

/** What a load tells and needs. `signal` ends it where the engine is in no worker that could be ended. */
interface Around {
  readonly tell: (told: Told) => void;
  readonly startWriter: () => Writer;
  readonly setting: Setting | undefined;
  readonly signal: AbortSignal;
}

/** Loads a model, or loads it again where its `engine` is there already and has no GPU any more. */
export async function loadModel(call: SentLoad, { tell, startWriter, setting, signal }: Around, before?: Engine): Promise<Loaded> {
  const onProgress = (progress: LoadProgress): void => tell({ type: 'progress', progress });
  const gpu = setting && (setting.gpu ?? (setting.device ? null : undefined));
  const recalled = recallTuning(gpu);
  // It is waited for below, unless something fails before.
  recalled.catch(() => undefined);
  const openStores = (ids: readonly string[]): Promise<Opened> => {
    if (!call.cache) return Promise.resolve(notKept('the option `cache` is false'));
    if (setting) return Promise.resolve(notKept(NO_WORKER));
    return openEntries(ids, { onWaiting: () => onProgress(WAITING), onStoring: () => tell({ type: 'persist' }), startWriter });
  };
  const { source, outcome, close } = await openSource(call.source, openStores);
  const meter = new Meter();
  try {
    const { known, keep } = await recalled;
    const onReport = (report: EngineReport): void => onProgress(meter.report(report, performance.now()));
    const options = { ...known, ...call.options };
    const load = async (): Promise<Engine> => {
      if (!before) return Engine.load(source, options, onReport, signal);
      await before.revive(source, onReport, signal);
      return before;
    };
    const { value: engine, release } = await withGpu(setting ?? {}, load);
    const told = engine.info() as Omit<ModelInfo, 'cache'>;
    const info = { ...told, defaults: inDecimal(told.defaults), cache: outcome() };
    // A choice of the caller's says nothing about speed. That it could not be kept is no reason to fail: it is measured again.
    const tuning = call.options['tuning'] === undefined ? info.tuning : known.tuning;
    await keep({ tuning, tested: engine.tested() || known.tested }).catch(() => undefined);
    return { engine, info, release };
  } finally {
    await close();
  }
}

/** The numbers as people write them: 0.95, not the f32 next to it. */
function inDecimal({ maxTokens, temperature, topK, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty }: GenerateDefaults): GenerateDefaults {
  const short = (value: number): number => Number(value.toPrecision(6));
  const penalties = { repetitionPenalty: short(repetitionPenalty), frequencyPenalty: short(frequencyPenalty), presencePenalty: short(presencePenalty) };
  return { maxTokens, temperature: short(temperature), topK, topP: short(topP), minP: short(minP), ...penalties };
}

/** Looks at a model. */
export async function inspectModel(call: CallMessage & { type: 'inspect' }, setting: Setting | undefined): Promise<Inspection> {
  const openStores = (ids: readonly string[]): Promise<Opened> =>
    call.cache && !setting ? openExisting(ids) : Promise.resolve(notKept(''));
  const { source, close } = await openSource(call.source, openStores);
  try {
    const inspected = await withGpu(setting ?? {}, () => Engine.inspect(source, call.options));
    inspected.release();
    return { ...(inspected.value as Omit<Inspection, 'storage'>), storage: await estimateStorage() };
  } finally {
    await close();
  }
}

/** What the engine takes for a source, with the entries of its files in the cache open. */
async function openSource(
  sent: SentSource,
  openStores: (ids: readonly string[]) => Promise<Opened>,
): Promise<{ source: unknown } & Pick<Opened, 'outcome' | 'close'>> {
  const apart = (source: string | readonly Part[], why: string): { source: unknown } & Opened => ({ source, ...notKept(why) });
  if (sent.kind === 'blobs') return apart(sent.blobs.map(blobPart), 'it is read in place');
  if (sent.kind === 'parts') return apart(sent.parts, 'it is read in place');
  if (sent.kind === 'port') return apart([portPart(sent.port, sent.size, sent.name)], 'it comes from the page itself');
  const [first] = sent.files;
  if (sent.files.length === 1 && first?.url.startsWith('synthetic:')) return apart(first.url, 'it is made up');
  const files = locate(sent.files) as (SentFile & { readonly id: string })[];
  // An address that this page made up, of a Blob say, means nothing tomorrow.
  const lasting = files.every(({ url }) => /^https?:/.test(url));
  const opened = lasting ? await openStores(files.map(({ id }) => id)) : notKept('its address is none of a server');
  const source = files.map((file): SentFile & { store: Store | undefined } => ({ ...file, store: opened.stores.get(file.id) }));
  return { ...opened, source };
}

/** What this origin may store, where the browser says. */
async function estimateStorage(): Promise<Inspection['storage']> {
  // Absent on pages that are not served securely, and outside of browsers, whatever the types say.
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage;
  const { quota, usage } = (await manager?.estimate()) ?? {};
  return quota === undefined || usage === undefined ? null : { quota, usage };
}
