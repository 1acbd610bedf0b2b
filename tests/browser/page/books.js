// A count of everything that GPU devices create from here on, through the browser's own functions: live buffers, objects created outside
// an error scope, errors that nobody caught. `shortOf` bytes plays a GPU without memory for buffers that large.

const books = { live: new Map(), unscoped: [], uncaptured: [], devices: 0, shortOf: Infinity };
globalThis.books = books;

/** Open scopes of each device: filters, and whether something failed in them. */
const scopes = new WeakMap();
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor);
  books.devices += 1;
  scopes.set(device, []);
  device.addEventListener('uncapturederror', ({ error }) => books.uncaptured.push(error.message));
  return device;
};

const device = GPUDevice.prototype;
const { createBuffer, pushErrorScope, popErrorScope } = device;
device.pushErrorScope = function (filter) {
  scopes.get(this).push({ filter, short: false });
  return pushErrorScope.call(this, filter);
};
device.popErrorScope = function () {
  const scope = scopes.get(this).pop();
  const popped = popErrorScope.call(this);
  return scope?.short ? popped.then(() => new GPUOutOfMemoryError('planted')) : popped;
};
device.createBuffer = function (descriptor) {
  if (descriptor.size >= books.shortOf) {
    const scope = scopes.get(this).findLast(({ filter }) => filter === 'out-of-memory');
    if (scope) scope.short = true;
    else books.uncaptured.push(`out of memory for ${descriptor.label}`);
  }
  const buffer = createBuffer.call(this, descriptor);
  books.live.set(buffer, descriptor.size);
  return buffer;
};
for (const what of ['createBuffer', 'createShaderModule', 'createComputePipeline', 'createBindGroup', 'createQuerySet']) {
  const make = device[what];
  device[what] = function (descriptor) {
    if (scopes.get(this).length === 0) books.unscoped.push(`${what} ${descriptor.label}`);
    return make.call(this, descriptor);
  };
}
const { destroy } = GPUBuffer.prototype;
GPUBuffer.prototype.destroy = function () {
  books.live.delete(this);
  destroy.call(this);
};
