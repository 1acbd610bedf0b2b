// Messages between the engine and the OPFS writer, the worker that writes new cache entries. The page starts that worker and relays them.

/** Name of the writer's worker, which tells `worker.ts` which of its two jobs it has. */
export const WRITER_NAME = 'gemma-web writer';

/** A command to the writer. The commands of an entry come in this order; those that are answered have a call number. */
export type ToWriter =
  | { readonly type: 'open'; readonly entry: string }
  | { readonly type: 'write'; readonly entry: string; readonly call: number; readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'read'; readonly entry: string; readonly call: number; readonly offset: number; readonly length: number }
  | { readonly type: 'probeSpace'; readonly entry: string; readonly call: number; readonly bytes: number }
  | { readonly type: 'truncate'; readonly entry: string; readonly length: number }
  | { readonly type: 'flush'; readonly entry: string }
  | { readonly type: 'close'; readonly entry: string; readonly call: number }
  | { readonly type: 'end' };

/** The answer to a numbered command: its value (for bytes, the array that they were or are in), or the failure. */
export type FromWriter =
  | { readonly call: number; readonly value: Uint8Array<ArrayBuffer> | number | undefined }
  | { readonly call: number; readonly failed: { readonly name: string; readonly message: string } };

/** The buffers of a message, to be transferred instead of copied. */
export function buffersOf(message: ToWriter | FromWriter): Transferable[] {
  const bytes = 'value' in message ? message.value : 'offset' in message && message.type === 'write' ? message.bytes : undefined;
  return bytes instanceof Uint8Array ? [bytes.buffer] : [];
}
