// wgpu's web backend can't ask for subgroups yet (https://github.com/gfx-rs/wgpu/pull/10220): when it asks for a device, they are
// added where the adapter has them. To be removed when wgpu can.

interface Adapter {
  readonly features: ReadonlySet<string>;
  requestDevice(descriptor?: Descriptor): Promise<unknown>;
}

interface Descriptor {
  readonly requiredFeatures?: Iterable<string>;
}

let asked = false;

/** From now on every device of this worker is asked for with subgroups, where its adapter has them. */
export function askForSubgroups(): void {
  const prototype = (globalThis as { GPUAdapter?: { prototype: Adapter } }).GPUAdapter?.prototype;
  if (asked || prototype === undefined) return;
  asked = true;
  const requestDevice = prototype.requestDevice;
  prototype.requestDevice = function (this: Adapter, descriptor: Descriptor = {}): Promise<unknown> {
    const requiredFeatures = new Set(descriptor.requiredFeatures ?? []);
    if (this.features.has('subgroups')) requiredFeatures.add('subgroups');
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...requiredFeatures] });
  };
}
