// Readable files of sources that are on no server: Blobs, and bytes that the page serves over a port.

import type { PortRead, ReadableFile } from '../shared/protocol.js';

/** A Blob or File, read in place. */
export function blobFile(blob: Blob): ReadableFile {
  const name = blob instanceof File ? blob.name : 'the Blob';
  return {
    size: blob.size,
    name,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** A file that the page serves on a port (`page/byte-server.ts`). One read is under way at a time. */
export function portFile(port: MessagePort, size: number | null, name: string): ReadableFile {
  return {
    size,
    name,
    read: (offset, length) =>
      new Promise((resolve, reject) => {
        port.onmessage = ({ data }: MessageEvent<Uint8Array | string>) => (typeof data === 'string' ? reject(new Error(data)) : resolve(data));
        port.postMessage({ offset, length } satisfies PortRead);
      }),
  };
}
