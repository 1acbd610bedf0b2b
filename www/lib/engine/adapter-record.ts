// Record of this browser's GPU adapter, kept between visits: the fastest variants of the kernels and the results of self-tests, so that they
// are measured and tested once.

import { storageManager } from '../shared/storage.js';
import type { GpuLike } from '../types/load.js';
import type { Tuning } from '../types/model.js';

/** Version of the records; a new number makes older ones be measured again. */
const VERSION = 2;
const FILE = 'gemma-web-tuning.json';
const TUNINGS: readonly Tuning[] = ['f32/1', 'f32/32', 'int8/1', 'int8/32'];

/** Key of a record: the browser with its version, and the adapter. */
async function adapterKey(gpu: GpuLike | null | undefined): Promise<string | undefined> {
  const own = (globalThis.navigator as { gpu?: GpuLike } | undefined)?.gpu;
  const adapter = (await (gpu === undefined ? own : gpu)?.requestAdapter()) as { readonly info: AdapterName } | null | undefined;
  if (!adapter) return undefined;
  const { vendor, architecture, device, description } = adapter.info;
  const browser = (globalThis.navigator as Partial<Navigator> | undefined)?.userAgent;
  return JSON.stringify([VERSION, browser, vendor, architecture, device, description]);
}

interface AdapterName {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

/** The file of all records; undefined in private windows of some browsers and on pages that are not served securely. */
async function recordFile(): Promise<FileSystemFileHandle | undefined> {
  try {
    const directory = await storageManager()?.getDirectory?.();
    return await directory?.getFileHandle(FILE, { create: true });
  } catch {
    return undefined;
  }
}

/** Record of an adapter. */
export interface AdapterRecord {
  readonly tuning?: Tuning | undefined;
  /** Results of self-tests, in the engine's own format. */
  readonly tested?: string | undefined;
}

/**
 * Opens the record of the adapter, with a function that saves a new one. If nothing can be saved, the engine measures at every load. `gpu`: a
 * GPU in place of `navigator.gpu`; null if the adapter is not known.
 */
export async function openAdapterRecord(gpu?: GpuLike | null): Promise<{ record: AdapterRecord; save(record: AdapterRecord): Promise<void> }> {
  const [key, handle] = await Promise.all([adapterKey(gpu), recordFile()]);
  if (key === undefined || handle === undefined) return { record: {}, save: () => Promise.resolve() };
  const records = parse(await (await handle.getFile()).text());
  const record = checked(records[key]);
  const save = async (changed: AdapterRecord): Promise<void> => {
    if (record.tuning === changed.tuning && record.tested === changed.tested) return;
    const writable = await handle.createWritable();
    await writable.write(JSON.stringify({ ...records, [key]: changed }));
    await writable.close();
  };
  return { record, save };
}

/** A record without values that this version would not write. */
function checked(entry: Partial<Record<keyof AdapterRecord, unknown>> | null | undefined): AdapterRecord {
  const { tuning, tested } = entry ?? {};
  return { tuning: TUNINGS.find((name) => name === tuning), tested: typeof tested === 'string' ? tested : undefined };
}

/** The records by key; none if the file is new or damaged. */
function parse(text: string): Record<string, AdapterRecord> {
  try {
    const records: unknown = JSON.parse(text);
    return typeof records === 'object' && records !== null ? (records as Record<string, AdapterRecord>) : {};
  } catch {
    return {};
  }
}
