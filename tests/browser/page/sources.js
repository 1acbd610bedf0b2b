// Sources that can't be sent to a page: made here, of the bytes at addresses.

const fetched = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
const nameOf = (url) => new URL(url).pathname.split('/').at(-1);

/** An object that notes what it is asked for. */
function objectOf(bytes, read = (offset, length) => bytes.subarray(offset, offset + length)) {
  globalThis.asked = [];
  return {
    size: bytes.byteLength,
    name: 'an object',
    read: (offset, length, signal) => {
      globalThis.asked.push([offset, length]);
      globalThis.lastSignal = signal;
      return read(offset, length, signal);
    },
  };
}

const MADE = {
  blob: async ([url]) => new Blob([await fetched(url)]),
  file: async ([url]) => new File([await fetched(url)], nameOf(url)),
  files: (urls) => Promise.all(urls.map(async (url) => new File([await fetched(url)], nameOf(url)))),
  request: ([url]) => new Request(url),
  url: ([url]) => new URL(url),
  stream: async ([url]) => (await fetch(url)).body,
  'broken stream': async ([url]) => {
    const bytes = await fetched(url);
    return new ReadableStream({
      start: (controller) => controller.enqueue(bytes.subarray(0, bytes.length >> 1)),
      pull: () => Promise.reject(new Error('mine')),
    });
  },
  'half a stream': async ([url]) => new Blob([(await fetched(url)).subarray(0, 3 << 20)]).stream(),
  object: async ([url]) => objectOf(await fetched(url)),
  'slow object': async ([url]) => {
    const bytes = await fetched(url);
    return objectOf(bytes, (offset, length) => new Promise((done) => setTimeout(() => done(bytes.slice(offset, offset + length)), 20)));
  },
  'short object': async ([url]) => {
    const bytes = await fetched(url);
    return objectOf(bytes, (offset, length) => bytes.subarray(offset, offset + length - 1));
  },
  'throwing object': async ([url]) => {
    const bytes = await fetched(url);
    return objectOf(bytes, (offset, length) => {
      if (offset > 0) throw new Error('mine');
      return bytes.subarray(0, length);
    });
  },
  'stuck object': async ([url]) => {
    const bytes = await fetched(url);
    return objectOf(bytes, (offset, length) => (offset === 0 ? bytes.subarray(0, length) : new Promise(() => undefined)));
  },
  nonsense: () => ({ some: 'object' }),
};

/** The source that `{ kind, urls }` stands for; anything else is itself. */
export async function makeSource(given) {
  return given?.kind in MADE ? MADE[given.kind](given.urls) : given;
}
