// The GPU for an engine: the page's or the worker's own, one of another implementation of WebGPU, or a device that the caller has.

import type { Setting } from '../page/transport.js';
import type { GpuDeviceLike } from '../types/model.js';

/** The GPU while an engine is opened, and what is left to do when it ends. */
export interface Opening<T> {
  readonly value: T;
  /** Gives back the device that was made for the engine, or leaves the caller's alone. */
  release(): void;
}

/** Of a device, what is used here. */
type Device = GpuDeviceLike &
  Partial<EventTarget> & { destroy(): void; adapterInfo?: object; onuncapturederror?: ((event: never) => void) | null };

interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly limits: object;
  readonly info: object;
  requestDevice(descriptor?: { readonly requiredFeatures?: Iterable<string> }): Promise<Device>;
}

/** One engine looks for its GPU at a time, since where wgpu does so there is room for one. */
let last: Promise<unknown> = Promise.resolve();

/** Runs `open`, which finds the setting's GPU, or the page's, where wgpu's web backend looks for it. */
export async function withGpu<T>({ gpu, device }: Setting, open: () => Promise<T>): Promise<Opening<T>> {
  const here = (globalThis.navigator as { gpu?: Setting['gpu'] } | undefined)?.gpu;
  const from = device ? gpuOf(device as Device) : (gpu ?? here);
  // wgpu finds that there is none; without a place to look it would not go on.
  if (!from) return { value: await whileInstalled(() => undefined, open), release: () => undefined };
  const made: Device[] = [];
  const keep = handlerKeeper(device as Device | undefined);
  try {
    const value = await whileInstalled((found) => standIn(from, made, found), open);
    const release = keep();
    return { value, release: () => (device ? release() : destroyAll(made)) };
  } catch (error) {
    keep()();
    destroyAll(device ? [] : made);
    throw error;
  }
}

/** Runs `open` with a GPU where wgpu looks for it, until it found it there. */
async function whileInstalled<T>(make: (found: () => void) => object | undefined, open: () => Promise<T>): Promise<T> {
  const before = last;
  let leave = (): void => undefined;
  last = new Promise<void>((done) => (leave = done));
  await before;
  let restore: (() => void) | undefined;
  const found = (): void => {
    restore?.();
    restore = undefined;
    leave();
  };
  try {
    restore = install(make(found));
    return await open();
  } finally {
    found();
  }
}

function destroyAll(devices: readonly Device[]): void {
  for (const device of devices) device.destroy();
}

/**
 * wgpu takes a device's one place for a handler of errors. What this returns puts the caller's back, lets the engine's listen beside it, and
 * returns what ends that.
 */
function handlerKeeper(device: Device | undefined): () => () => void {
  const before = device?.onuncapturederror ?? null;
  return () => {
    const own = device?.onuncapturederror as ((event: Event) => void) | null | undefined;
    if (!device || !own || own === (before as unknown) || !device.addEventListener) return () => undefined;
    device.onuncapturederror = before;
    device.addEventListener('uncapturederror', own);
    return () => device.removeEventListener?.('uncapturederror', own);
  };
}

/** A GPU whose adapter gives the device that there is. */
function gpuOf(device: Device): { requestAdapter(): Promise<object> } {
  const { features, limits } = device;
  const info = device.adapterInfo ?? { vendor: '', architecture: '', device: '', description: '' };
  return { requestAdapter: () => Promise.resolve({ features, limits, info, requestDevice: () => Promise.resolve(device) }) };
}

/**
 * The GPU with subgroups asked for where there are any, which wgpu's web backend can't yet
 * (https://github.com/gfx-rs/wgpu/pull/10220), so that this is to be removed when it can; `made` notes its devices, `found`
 * hears that it is in use.
 */
function standIn(gpu: { requestAdapter(options?: object): Promise<object | null> }, made: Device[], found: () => void): object {
  const requestAdapter = async (options?: object): Promise<object | null> => {
    found();
    const adapter = (await gpu.requestAdapter(options)) as Adapter | null;
    if (!adapter) return null;
    const { features, limits, info } = adapter;
    const requestDevice: Adapter['requestDevice'] = async (descriptor = {}) => {
      const requiredFeatures = new Set(descriptor.requiredFeatures ?? []);
      if (features.has('subgroups')) requiredFeatures.add('subgroups');
      const device = await adapter.requestDevice({ ...descriptor, requiredFeatures: [...requiredFeatures] });
      made.push(device);
      return device;
    };
    return { features, limits, info, requestDevice };
  };
  return { requestAdapter };
}

/** Puts a GPU where wgpu looks for it: `navigator.gpu` of a window or a worker. Returns what puts everything back. */
function install(gpu: object | undefined): () => void {
  const scope = globalThis as { Window?: unknown; WorkerGlobalScope?: unknown };
  const undo: (() => void)[] = [];
  const define = (object: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
    undo.push(() => void (before ? Object.defineProperty(object, name, before) : Reflect.deleteProperty(object, name)));
  };
  // It only asks whether there is one, and not which.
  if (scope.Window === undefined && scope.WorkerGlobalScope === undefined) define(scope, 'WorkerGlobalScope', Object);
  if (globalThis.navigator) define(globalThis.navigator, 'gpu', gpu);
  else define(globalThis, 'navigator', { gpu });
  return () => undo.reverse().forEach((put) => put());
}
