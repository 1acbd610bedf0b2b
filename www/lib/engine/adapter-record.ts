// Which variants of the kernels were fastest on this browser's adapter, and which kernels are right there, kept between visits so that it is
// measured and tested once.

import type { GpuLike, Tuning } from '../types/model.js';

/** Of what is kept; another number makes older files be measured anew. */
const FORMAT = 2;
const FILE = 'gemma-web-tuning.json';
const TUNINGS: readonly Tuning[] = ['f32/1', 'f32/32', 'int8/1', 'int8/32'];

/** What the choice depends on: browser, its version, and the adapter. */
async function keyOfAdapter(gpu: GpuLike | null | undefined): Promise<string | undefined> {
  const here = (globalThis.navigator as { gpu?: GpuLike } | undefined)?.gpu;
  const adapter = (await (gpu === undefined ? here : gpu)?.requestAdapter()) as { readonly info: AdapterName } | null | undefined;
  if (!adapter) return undefined;
  const { vendor, architecture, device, description } = adapter.info;
  const browser = (globalThis.navigator as Partial<Navigator> | undefined)?.userAgent;
  return JSON.stringify([FORMAT, browser, vendor, architecture, device, description]);
}

interface AdapterName {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

/** The origin's private files; nothing in private windows of some browsers, and on pages that are not served securely. */
async function file(): Promise<FileSystemFileHandle | undefined> {
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage;
  try {
    const folder = await manager?.getDirectory();
    return await folder?.getFileHandle(FILE, { create: true });
  } catch {
    return undefined;
  }
}

/** What is known of an adapter. */
export interface Known {
  readonly tuning?: Tuning | undefined;
  /** What self-tests found: the engine's own record. */
  readonly tested?: string | undefined;
}

/**
 * What is known of this adapter and how to keep more. Where nothing can be kept the engine measures at every load. `gpu`: another
 * one than `navigator.gpu`; null: the adapter is not known.
 */
export async function recallTuning(gpu?: GpuLike | null): Promise<{ known: Known; keep(known: Known): Promise<void> }> {
  const [key, handle] = await Promise.all([keyOfAdapter(gpu), file()]);
  if (key === undefined || handle === undefined) return { known: {}, keep: () => Promise.resolve() };
  const kept = parse(await (await handle.getFile()).text());
  const known = checked(kept[key]);
  const keep = async (more: Known): Promise<void> => {
    if (known.tuning === more.tuning && known.tested === more.tested) return;
    const writable = await handle.createWritable();
    await writable.write(JSON.stringify({ ...kept, [key]: more }));
    await writable.close();
  };
  return { known, keep };
}

/** An entry, without what this version would not write. */
function checked(entry: Partial<Record<keyof Known, unknown>> | null | undefined): Known {
  const { tuning, tested } = entry ?? {};
  return { tuning: TUNINGS.find((name) => name === tuning), tested: typeof tested === 'string' ? tested : undefined };
}

/** What is kept by key; nothing where the file is new or damaged. */
function parse(text: string): Record<string, Known> {
  try {
    const kept: unknown = JSON.parse(text);
    return typeof kept === 'object' && kept !== null ? (kept as Record<string, Known>) : {};
  } catch {
    return {};
  }
}
