// GPU of an engine: the page's or the worker's own, one of another WebGPU implementation, or a device that the caller owns.

import type { InlineTarget } from '../shared/protocol.js';
import type { GpuDeviceLike } from '../types/load.js';

/** A value that was opened on a GPU. */
export interface OnGpu<T> {
  readonly value: T;
  /** Destroys the device if it was created for the engine, and leaves the caller's alone. */
  release(): void;
}

/** A device, as far as it is used here. */
type Device = GpuDeviceLike &
  Partial<EventTarget> & { destroy(): void; adapterInfo?: object; onuncapturederror?: ((event: never) => void) | null };

interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly limits: object;
  readonly info: object;
  requestDevice(descriptor?: { readonly requiredFeatures?: Iterable<string> }): Promise<Device>;
}

/** The last engine that looks for its GPU. They take turns, since wgpu looks in a place that has room for one. */
let last: Promise<unknown> = Promise.resolve();

/** Runs `open` while the target's GPU, or else the page's, lies where wgpu's web backend looks for it. */
export async function withGpu<T>({ gpu, device }: InlineTarget, open: () => Promise<T>): Promise<OnGpu<T>> {
  const own = (globalThis.navigator as { gpu?: InlineTarget['gpu'] } | undefined)?.gpu;
  const from = device ? gpuOfDevice(device as Device) : (gpu ?? own);
  // wgpu has to find that there is no GPU; without the property it would not continue.
  if (!from) return { value: await whileInstalled(() => undefined, open), release: () => undefined };
  const made: Device[] = [];
  const keep = handlerKeeper(device as Device | undefined);
  try {
    const value = await whileInstalled((found) => withSubgroups(from, made, found), open);
    const release = keep();
    return { value, release: () => (device ? release() : destroyAll(made)) };
  } catch (error) {
    keep()();
    destroyAll(device ? [] : made);
    throw error;
  }
}

/** Runs `open` with a GPU in the place where wgpu looks for it, until wgpu has found it there. */
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
 * Keeper of the caller's error handler, since wgpu sets a device's only one. The function returned puts the caller's handler back and lets
 * wgpu's listen beside it; it returns the function that ends that.
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

/** A GPU whose adapter returns the caller's device. */
function gpuOfDevice(device: Device): { requestAdapter(): Promise<object> } {
  const { features, limits } = device;
  const info = device.adapterInfo ?? { vendor: '', architecture: '', device: '', description: '' };
  return { requestAdapter: () => Promise.resolve({ features, limits, info, requestDevice: () => Promise.resolve(device) }) };
}

/**
 * A GPU whose devices are requested with subgroups if the adapter has them. wgpu's web backend cannot do this yet
 * (https://github.com/gfx-rs/wgpu/pull/10220); remove this function when it can. `made` collects the devices; `found` is called once wgpu has
 * found the GPU.
 */
function withSubgroups(gpu: { requestAdapter(options?: object): Promise<object | null> }, made: Device[], found: () => void): object {
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

/** Puts a GPU where wgpu looks for it: at `navigator.gpu` of a window or worker. Returns the function that undoes this. */
function install(gpu: object | undefined): () => void {
  const scope = globalThis as { Window?: unknown; WorkerGlobalScope?: unknown };
  const undo: (() => void)[] = [];
  const define = (object: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
    undo.push(() => void (before ? Object.defineProperty(object, name, before) : Reflect.deleteProperty(object, name)));
  };
  // wgpu only checks that there is one of the two scopes.
  if (scope.Window === undefined && scope.WorkerGlobalScope === undefined) define(scope, 'WorkerGlobalScope', Object);
  if (globalThis.navigator) define(globalThis.navigator, 'gpu', gpu);
  else define(globalThis, 'navigator', { gpu });
  return () => undo.reverse().forEach((put) => put());
}
