// Shaders that do nothing: each gets an entry point that touches the same bindings, so that its layout is the same, and pipelines use
// that one.
const device = GPUDevice.prototype;
const { createShaderModule, createComputePipeline } = device;

device.createShaderModule = function (descriptor) {
  const bindings = [...descriptor.code.matchAll(/@binding\(\d+\)\s*var(?:<[^>]*>)?\s+(\w+)/g)].map(([, name]) => `_ = &${name};`);
  const idle = `\n@compute @workgroup_size(1) fn idle_entry_point() { ${bindings.join(' ')} }\n`;
  return createShaderModule.call(this, { ...descriptor, code: descriptor.code + idle });
};

device.createComputePipeline = function (descriptor) {
  const { module } = descriptor.compute;
  return createComputePipeline.call(this, { ...descriptor, compute: { module, entryPoint: 'idle_entry_point' } });
};
