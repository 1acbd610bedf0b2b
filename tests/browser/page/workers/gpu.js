// A worker's GPU that the page can take away: the page hears of each new device and decides, `keep` or `destroy`; `lose` destroys all of
// them at once, and a number does so after as many submissions of work from now on, however fast the worker is.
const devices = [];
let decide;
let submissions = Infinity;
const lose = () => devices.forEach((device) => device.destroy());

const channel = new BroadcastChannel('gpu');
channel.onmessage = ({ data }) => {
  if (data === 'lose') return lose();
  // Other workers, those without a device among them, hear everything too.
  if (typeof data !== 'number') return decide?.(data);
  if (devices.length === 0) return;
  submissions = data;
  channel.postMessage('counting');
};

const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor);
  devices.push(device);
  const fate = new Promise((resolve) => (decide = resolve));
  channel.postMessage('made');
  if ((await fate) === 'destroy') device.destroy();
  return device;
};

const { submit } = GPUQueue.prototype;
GPUQueue.prototype.submit = function (buffers) {
  submit.call(this, buffers);
  // The engine submits nothing while it waits for a result, as often as it takes.
  if (buffers.length === 0) return;
  submissions -= 1;
  if (submissions === 0) lose();
};
