// A plain copy, to compare with: reads a file of the cache into one buffer, or a body to its end. Answers with milliseconds.
onmessage = async ({ data: { id, url } }) => {
  const begin = performance.now();
  if (url === undefined) await readFile(id);
  else await readBody(url);
  postMessage(performance.now() - begin);
};

async function readFile(id) {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('gemma-web');
  const handle = await (await (await folder.getDirectoryHandle(id)).getFileHandle('data')).createSyncAccessHandle();
  const into = new Uint8Array(4 << 20);
  for (let at = 0; at < handle.getSize(); at += into.length) handle.read(into, { at });
  handle.close();
}

async function readBody(url) {
  const reader = (await fetch(url, { cache: 'no-store' })).body.getReader();
  while (!(await reader.read()).done);
}
