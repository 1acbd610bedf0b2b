// One device for all models of a page, on which each kernel is compiled once. Chromium's GPU here is a program that compiles each kernel of
// each load anew, and takes 3 to 5 s for some; the kernels of all models have the same text.

import type { Page } from 'puppeteer-core';
import type { GpuDeviceLike } from '../../../www/lib/index.js';

declare global {
  /** The page's device; undefined if each model makes one of its own. */
  var device: GpuDeviceLike | undefined;
}

// lib.dom has no WebGPU.
interface ShaderModule {
  readonly code: string;
}
interface Device extends GpuDeviceLike {
  createShaderModule: (descriptor: { code: string }) => ShaderModule;
  createComputePipeline: (descriptor: { layout: unknown; compute: { module: ShaderModule; entryPoint?: string; constants?: object } }) => object;
}
interface Gpu {
  requestAdapter(): Promise<{ features: ReadonlySet<string>; requestDevice(descriptor: object): Promise<Device> }>;
}

/** Makes the page's `device`, for the option of that name. Pipelines of the same text, constants and layout are one. */
export function shareDevice(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const adapter = await (navigator as unknown as { gpu: Gpu }).gpu.requestAdapter();
    const requiredFeatures = ['subgroups', 'shader-f16'].filter((feature) => adapter.features.has(feature));
    const device = await adapter.requestDevice({ requiredFeatures });
    const createModule = device.createShaderModule.bind(device);
    const createPipeline = device.createComputePipeline.bind(device);
    const pipelines = new Map<string, object>();
    device.createShaderModule = (descriptor) => Object.assign(createModule(descriptor), { code: descriptor.code });
    device.createComputePipeline = (descriptor) => {
      const { layout, compute } = descriptor;
      if (layout !== 'auto') return createPipeline(descriptor);
      const key = JSON.stringify([compute.entryPoint, compute.constants, compute.module.code]);
      const pipeline = pipelines.get(key) ?? createPipeline(descriptor);
      pipelines.set(key, pipeline);
      return pipeline;
    };
    globalThis.device = device;
  });
}
