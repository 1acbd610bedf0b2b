// Whether models run here at all, before anything is downloaded.

import type { AdapterInfo, GpuLike } from '../types/model.js';

/** What {@link probe} finds. */
export interface Probe {
  /**
   * `"ok"`: models run here. `"slow"`: they do, on a processor that stands in for a GPU. `"unavailable"`: they don't.
   */
  readonly verdict: 'ok' | 'slow' | 'unavailable';
  /** Why, in plain words, and what can be done about it. */
  readonly why: string;
  /** The GPU; null where there is none. */
  readonly adapter: AdapterInfo | null;
  /** Whether the GPU is a program. */
  readonly software: boolean;
  readonly shaderF16: boolean;
  readonly subgroups: boolean;
  /** What the GPU allows: the largest binding and the largest buffer, in bytes; null without one. */
  readonly limits: { readonly maxBindingBytes: number; readonly maxBufferBytes: number } | null;
  /** What this origin may store, in bytes, and whether models can be kept (`files`); null where the browser doesn't say. */
  readonly storage: {
    readonly quota: number;
    readonly usage: number;
    /** Whether the browser promised not to clear it. */
    readonly persisted: boolean;
    readonly files: boolean;
  } | null;
}

/** Options of {@link probe}. */
export interface ProbeOptions {
  /** A WebGPU implementation in place of `navigator.gpu`. */
  readonly gpu?: GpuLike | undefined;
}

/** Of an adapter, what is looked at. */
interface Adapter {
  readonly features: { has(name: string): boolean };
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number; readonly maxStorageBuffersPerShaderStage: number };
  readonly info: { readonly vendor: string; readonly architecture: string; readonly device: string; readonly description: string; readonly isFallbackAdapter?: boolean };
  readonly isFallbackAdapter?: boolean;
}

const REMEDY = 'current Chrome, Edge, Firefox and Safari have it where the graphics driver allows; chrome://gpu and about:support say more';

/** Looks at this device and browser; loads nothing, and never rejects. */
export async function probe({ gpu }: ProbeOptions = {}): Promise<Probe> {
  const storage = await lookAtStorage().catch(() => null);
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
    return without(`WebGPU failed: ${thrown instanceof Error ? thrown.message : String(thrown)}; reload the page or restart the browser.`);
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

async function lookAtStorage(): Promise<Probe['storage']> {
  // Absent on pages that are not served securely, and outside of browsers, whatever the types say.
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage as Partial<StorageManager> | undefined;
  if (!manager?.estimate) return null;
  const [{ quota, usage }, persisted, files] = await Promise.all([
    manager.estimate(),
    manager.persisted?.().catch(() => false) ?? false,
    // Private windows of some browsers have it and refuse to open it.
    manager.getDirectory?.().then(() => true, () => false) ?? false,
  ]);
  return quota === undefined || usage === undefined ? null : { quota, usage, persisted, files };
}
