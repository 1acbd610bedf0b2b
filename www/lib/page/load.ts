// How a page gets a model, or learns about one.

import { createGemma, type Gemma } from './gemma.js';
import { Connection } from './engine-client.js';
import { abortError, GemmaError } from '../shared/errors.js';
import { localFiles } from '../shared/node-files.js';
import { hasWorkers, type Setting } from './transport.js';
import type { Calls, PlainOptions } from '../shared/protocol.js';
import { checkFlag, checkFunction, checkSignal, invalidOption } from './validate.js';
import { isOnce, type ModelSource, type Prepared, prepare } from './source.js';
import type { Inspection, LoadOptions } from '../types/model.js';

/** Timers count no further. */
const MOST_IDLE_MS = 2 ** 31 - 1;

/**
 * Loads a model, in a worker of its own. What comes from a server is kept for the next time, as it arrives: a load that was ended at any
 * moment, even with its tab, goes on where it was.
 *
 * @param source Address of a `.gguf` file, or one of the other {@link ModelSource}s. `synthetic:gemma-2b:q4_0` (or another
 *   shape and format) stands for random weights in the shape of a real model, made in place: for measuring, not for reading.
 * @returns The model, ready to generate: weights on the GPU, shaders compiled.
 * @throws {GemmaError} `http`, `network`, `bad_reply`, `file_changed` or `checksum_mismatch` by the download; `quota_exceeded` before
 *   it where the file would not fit into what this origin may store; `not_gguf`, `truncated`, `unsupported_architecture`,
 *   `missing_tensor` and others by the file; `no_webgpu`, `limit_too_low` or `out_of_memory` by the device;
 *   `invalid_option` by the call. What a source of the caller's own throws is thrown as it is.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function loadGemma(source: ModelSource, options: LoadOptions = {}): Promise<Gemma> {
  const { connection, answer } = start('load', source, options);
  try {
    return createGemma(connection, await answer, options.template);
  } catch (error) {
    connection.close(error instanceof Error ? error : new GemmaError('internal', String(error)));
    throw error;
  }
}

/**
 * Looks at a model without loading it: only the header of the file is downloaded (some MB, since the vocabulary is in it).
 *
 * @param source As {@link loadGemma}'s; a stream can't be read a second time.
 * @param options Those that {@link loadGemma} would be called with; they decide the sizes of cache and activations.
 * @returns What the model is, how much GPU memory it would take, and whether this device's adapter can hold it. A model
 *   that does not fit is no error, see `memory.verdict`; without an adapter the plan is for WebGPU's default limits.
 * @throws {GemmaError} As {@link loadGemma}, for what concerns the download, the file and the options.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function inspect(source: ModelSource, options: LoadOptions = {}): Promise<Inspection> {
  const { connection, answer } = start('inspect', source, { ...options, onProgress: undefined });
  try {
    return await answer;
  } finally {
    connection.close(new GemmaError('disposed', 'the inspection is over'));
  }
}

/** Starts the engine's half on a source. The answer may also be an abort, or what the page's own source threw. */
function start<Name extends 'load' | 'inspect'>(
  type: Name,
  source: ModelSource,
  options: LoadOptions,
): { connection: Connection; answer: Promise<Calls[Name]['back']> } {
  const { signal, onProgress, onDeviceLost, idleTimeout, cache, template, worker, gpu, device, ...plain } = options;
  checkSignal(signal);
  checkFlag('cache', cache);
  checkFunction('onProgress', onProgress);
  checkFunction('onDeviceLost', onDeviceLost);
  checkFunction('template', template);
  if (idleTimeout !== undefined && !(idleTimeout >= 0 && idleTimeout <= MOST_IDLE_MS)) {
    throw invalidOption('idleTimeout', idleTimeout, `milliseconds, 0 to ${MOST_IDLE_MS}`);
  }
  const setting = settingOf({ worker, gpu, device });
  if (signal?.aborted) throw abortError();
  const { sent, transfer, failed, close } = prepared(source, setting);
  const connection = new Connection(setting, { onProgress, onDeviceLost, onClose: close });
  // Ending the engine's half is quicker than asking it, and a model that is not loaded yet has nothing worth keeping.
  const abort = (): void => connection.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  const send = { source: sent, cache: cache ?? true, options: plain as PlainOptions, idleTimeout } as Calls[Name]['send'];
  const called = connection.call(type, send, {}, transfer);
  const answer = (failed ? Promise.race([called, failed]) : called).finally(() => {
    signal?.removeEventListener('abort', abort);
    // Others are read again where the GPU was lost, or the model slept.
    if (isOnce(sent)) close();
  });
  return { connection, answer };
}

function prepared(source: ModelSource, setting: Setting | undefined): Prepared {
  const parts = setting && localFiles(source);
  if (!parts) return prepare(source);
  return { sent: { kind: 'parts', parts }, transfer: [], remote: false, failed: undefined, close: () => undefined };
}

/** Where an engine without a worker is to run; undefined: it gets a worker. */
function settingOf({ worker, gpu, device }: Pick<LoadOptions, 'worker' | 'gpu' | 'device'>): Setting | undefined {
  checkFlag('worker', worker);
  if (gpu !== undefined && typeof (gpu as Partial<typeof gpu> | null)?.requestAdapter !== 'function') {
    throw invalidOption('gpu', gpu, 'a GPU, as navigator.gpu is');
  }
  if (device !== undefined && typeof (device as Partial<typeof device> | null)?.createBuffer !== 'function') {
    throw invalidOption('device', device, 'a GPUDevice, as requestDevice() gives');
  }
  if (gpu && device) throw invalidOption('gpu', 'given', 'one of `gpu` and `device`, not both');
  if (worker && (gpu || device)) throw invalidOption('worker', worker, 'false beside `gpu` or `device`, which no worker can be given');
  if (worker && !hasWorkers()) throw invalidOption('worker', worker, 'false here, where there are no web workers');
  return (worker ?? (!gpu && !device && hasWorkers())) ? undefined : { gpu, device };
}
