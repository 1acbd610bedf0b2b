// The worker's half: one engine, calls answered one after another, so that a token loop is never entered twice.

import init, { Engine, locate } from './pkg/gemma_web.js';
import type { BenchProgress, BenchReport } from './bench.js';
import { blobPart, type Part, portPart } from './bytes.js';
import { clearEntries, deleteEntry, exportEntry, listEntries, sizeOfEntries, verifyStored } from './entries.js';
import { toRecord } from './errors.js';
import { type EngineReport, Meter, WAITING } from './progress.js';
import type { SentFile, SentSource } from './sources.js';
import { notKept, type Opened, openEntries, openExisting, type Store } from './store.js';
import { askForSubgroups } from './subgroups.js';
import { recallTuning } from './tuning.js';
import type { CallMessage, CallName, Calls, FromWorker, ToWorker } from './protocol.js';
import type { GenerateResult, TokenPiece } from './generate.js';
import type { Inspection, LoadProgress, ModelInfo, ModelStats } from './types.js';

/** The three things of a worker's global scope used here; lib.dom and lib.webworker can't be loaded together. */
interface WorkerScope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const aborts = new Map<number, AbortController>();
let queue: Promise<void> = Promise.resolve();
let engine: Engine | undefined;
let memory: WebAssembly.Memory | undefined;

scope.addEventListener('message', ({ data }) => {
  if (data.type === 'abort') {
    aborts.get(data.id)?.abort();
    return;
  }
  aborts.set(data.id, new AbortController());
  queue = queue.then(() => answer(data));
});

// A panic of the engine unwinds through whatever task it ran in and leaves its promise hanging for ever.
scope.addEventListener('error', (event) => {
  event.preventDefault();
  fatal(event.error ?? event.message);
});
scope.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  fatal(event.reason);
});

function fatal(thrown: unknown): void {
  scope.postMessage({ type: 'fatal', error: toRecord(thrown) });
}

async function answer(call: CallMessage): Promise<void> {
  const { id } = call;
  const signal = (aborts.get(id) ?? new AbortController()).signal;
  try {
    const value = await carryOut(call, signal);
    scope.postMessage({ type: 'done', id, value }, value instanceof Float32Array ? [value.buffer] : []);
  } catch (thrown) {
    scope.postMessage({ type: 'failed', id, error: toRecord(thrown) });
  } finally {
    aborts.delete(id);
  }
}

async function carryOut(call: CallMessage, signal: AbortSignal): Promise<Calls[CallName]['back']> {
  const { id } = call;
  memory ??= (await init()).memory;
  switch (call.type) {
    case 'load':
      return load(call, (progress) => scope.postMessage({ type: 'progress', id, progress }));
    case 'inspect': {
      const { source, close } = await open(call.source, (ids) => (call.cache ? openExisting(ids) : Promise.resolve(notKept(''))));
      try {
        return { ...((await Engine.inspect(source, call.options)) as Omit<Inspection, 'storage'>), storage: await estimateStorage() };
      } finally {
        await close();
      }
    }
    case 'generate': {
      const onToken = (piece: TokenPiece): void => scope.postMessage({ type: 'token', id, piece });
      return (await loaded().generate(call.prompt, call.options, onToken, signal)) as GenerateResult;
    }
    case 'tokenize':
      return Array.from(loaded().tokenize(call.text));
    case 'logits':
      return loaded().logits(call.ids, signal);
    case 'stats':
      return withMemory(loaded().stats() as Omit<ModelStats, 'wasmBytes'>);
    case 'bench': {
      const onProgress = (step: BenchProgress): void => scope.postMessage({ type: 'step', id, step });
      const report = (await loaded().bench(call.options, onProgress, signal)) as BenchReport;
      return { ...report, stats: withMemory(report.stats) };
    }
    case 'cacheList':
      return listEntries();
    case 'cacheSize':
      return sizeOfEntries();
    case 'cacheDelete':
      return deleteEntry(call.entry);
    case 'cacheClear':
      return clearEntries();
    case 'cacheVerify':
      return verifyStored(call.entry);
    case 'cacheExport':
      return exportEntry(call.entry);
  }
}

async function load(call: CallMessage & { type: 'load' }, onProgress: (progress: LoadProgress) => void): Promise<ModelInfo> {
  askForSubgroups();
  const recalled = recallTuning();
  // It is waited for below, unless something fails before.
  recalled.catch(() => undefined);
  const onWaiting = (): void => onProgress(WAITING);
  const onStoring = (): void => scope.postMessage({ type: 'persist' });
  const { source, outcome, close } = await open(call.source, (ids) =>
    call.cache ? openEntries(ids, onWaiting, onStoring) : Promise.resolve(notKept('the option `cache` is false')),
  );
  const meter = new Meter();
  try {
    const { known, keep } = await recalled;
    const onReport = (report: EngineReport): void => onProgress(meter.report(report, performance.now()));
    engine = await Engine.load(source, { tuning: known, ...call.options }, onReport);
    const info = { ...(engine.info() as Omit<ModelInfo, 'cache'>), cache: outcome() };
    // A choice of the caller's says nothing about speed. That it could not be kept is no reason to fail: it is measured again.
    if (known === undefined && call.options['tuning'] === undefined) await keep(info.tuning).catch(() => undefined);
    return info;
  } finally {
    await close();
  }
}

/** What the engine takes for a source, with the entries of its files in the cache open. */
async function open(
  sent: SentSource,
  openStores: (ids: readonly string[]) => Promise<Opened>,
): Promise<{ source: unknown } & Pick<Opened, 'outcome' | 'close'>> {
  const apart = (source: string | Part[], why: string): { source: unknown } & Opened => ({ source, ...notKept(why) });
  if (sent.kind === 'blobs') return apart(sent.blobs.map(blobPart), 'it is read in place');
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

function withMemory(stats: Omit<ModelStats, 'wasmBytes'>): ModelStats {
  return { ...stats, wasmBytes: memory?.buffer.byteLength ?? 0 };
}

/** What this origin may store, where the browser says. */
async function estimateStorage(): Promise<Inspection['storage']> {
  // Absent on pages that are not served securely, whatever the types say.
  const manager = globalThis.navigator.storage as StorageManager | undefined;
  const { quota, usage } = (await manager?.estimate()) ?? {};
  return quota === undefined || usage === undefined ? null : { quota, usage };
}

function loaded(): Engine {
  if (!engine) throw new Error('a call arrived before the model was loaded');
  return engine;
}
