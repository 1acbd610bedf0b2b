// Probe of the device and the browser: whether models run here at all, before anything is downloaded.

import { messageOf } from '../shared/shown.js';
import { storageManager } from '../shared/storage.js';
import type { GpuLike } from '../types/load.js';
import type { AdapterInfo } from '../types/model.js';

/** Result of {@link probe}. */
export interface Probe {
  /** `"ok"`: models run here. `"slow"`: they run, but on the CPU, which stands in for a GPU. `"unavailable"`: they do not run. */
  readonly verdict: 'ok' | 'slow' | 'unavailable';
  /** The reason in plain words, and what can be done about it. */
  readonly why: string;
  /** The GPU; null if there is none. */
  readonly adapter: AdapterInfo | null;
  /** Whether the GPU is a program that runs on the CPU. */
  readonly software: boolean;
  readonly shaderF16: boolean;
  readonly subgroups: boolean;
  /** The GPU's largest binding and largest buffer, in bytes; null without a GPU. */
  readonly limits: { readonly maxBindingBytes: number; readonly maxBufferBytes: number } | null;
  /** Storage of this origin, in bytes, and whether models can be stored (`files`); null if the browser does not say. */
  readonly storage: {
    readonly quota: number;
    readonly usage: number;
    /** Whether the browser promised not to clear the storage. */
    readonly persisted: boolean;
    readonly files: boolean;
  } | null;
}

/** Options of {@link probe}. */
export interface ProbeOptions {
  /** A WebGPU implementation in place of `navigator.gpu`. */
  readonly gpu?: GpuLike | undefined;
}

/** An adapter, as far as it is examined here. */
interface Adapter {
  readonly features: { has(name: string): boolean };
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number; readonly maxStorageBuffersPerShaderStage: number };
  readonly info: { readonly vendor: string; readonly architecture: string; readonly device: string; readonly description: string; readonly isFallbackAdapter?: boolean };
  readonly isFallbackAdapter?: boolean;
}

const REMEDY = 'current Chrome, Edge, Firefox and Safari have it where the graphics driver allows; chrome://gpu and about:support say more';

/** Examines this device and browser. It loads nothing and never rejects. */
export async function probe({ gpu }: ProbeOptions = {}): Promise<Probe> {
  const storage = await probeStorage().catch(() => null);
  const navigator = globalThis.navigator as { readonly gpu?: GpuLike } | undefined;
  const implementation = gpu ?? navigator?.gpu;
  const without = (why: string): Probe => ({
    verdict: 'unavailable',
    why,
    adapter: null,
    software: false,
    shaderF16: false,
    subgroups: false,
    limits: null,
    storage,
  });
  if (!implementation) return without(whyNoWebgpu());
  try {
    const adapter = (await implementation.requestAdapter({ powerPreference: 'high-performance' })) as Adapter | null;
    if (!adapter) return without(`There is WebGPU, but no GPU it may use: update the graphics driver or switch hardware acceleration on; ${REMEDY}.`);
    return judged(adapter, storage);
  } catch (thrown) {
    return without(`WebGPU failed: ${messageOf(thrown)}; reload the page or restart the browser.`);
  }
}

function whyNoWebgpu(): string {
  if (globalThis.isSecureContext === false) {
    return 'This page is not served securely, and browsers offer WebGPU to secure pages only: serve it over https or from localhost.';
  }
  if (typeof document === 'undefined') return 'There is no WebGPU here: give an implementation of it in the option `gpu`, in Node.js that of the npm package webgpu.';
  return `This browser has no WebGPU: use another one; ${REMEDY}.`;
}

function judged({ features, limits, info, isFallbackAdapter }: Adapter, storage: Probe['storage']): Probe {
  const names = [info.description, info.device, info.architecture, info.vendor];
  const software = (info.isFallbackAdapter ?? isFallbackAdapter) === true || names.some((name) => /swiftshader|llvmpipe|lavapipe|basic render|\bwarp\b/i.test(name));
  const bounds = { maxBindingBytes: limits.maxStorageBufferBindingSize, maxBufferBytes: limits.maxBufferSize };
  const adapter: AdapterInfo = {
    name: info.description,
    backend: 'BrowserWebGpu',
    driver: '',
    ...bounds,
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    subgroups: features.has('subgroups'),
  };
  const name = names.find((text) => text !== '') ?? 'without a name';
  const why = software
    ? `The GPU (${name}) is a program on the processor: models run, but slowly; switch hardware acceleration on in the browser's settings, or update the graphics driver.`
    : `There is a GPU (${name}) that models run on; inspect() says whether one of them fits.`;
  const verdict = software ? 'slow' : 'ok';
  return { verdict, why, adapter, software, shaderF16: features.has('shader-f16'), subgroups: adapter.subgroups, limits: bounds, storage };
}

async function probeStorage(): Promise<Probe['storage']> {
  const manager = storageManager();
  if (!manager?.estimate) return null;
  const [{ quota, usage }, persisted, files] = await Promise.all([
    manager.estimate(),
    manager.persisted?.().catch(() => false) ?? false,
    // In private windows, some browsers have the method but refuse.
    manager.getDirectory?.().then(() => true, () => false) ?? false,
  ]);
  return quota === undefined || usage === undefined ? null : { quota, usage, persisted, files };
}
