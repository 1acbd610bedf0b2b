// A worker's GPU that the page can take away: the page hears of each new device and decides, `keep` or `destroy`; `lose` destroys all of
// them at any time.
const devices = [];
let decide;
const channel = new BroadcastChannel('gpu');
channel.onmessage = ({ data }) => {
  // Other workers hear it too.
  if (data !== 'lose') return decide?.(data);
  for (const device of devices) device.destroy();
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
