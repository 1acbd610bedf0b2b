// Loading and inspecting: from the caller's source and options to a model, or to facts about one.

import { abortError, GemmaError } from '../shared/errors.js';
import { nodeFiles } from '../shared/node-files.js';
import { type Calls, type InlineTarget, isStream, type PlainOptions } from '../shared/protocol.js';
import type { LoadOptions } from '../types/load.js';
import type { Inspection } from '../types/model.js';
import type { ModelSource } from '../types/source.js';
import { EngineClient } from './engine-client.js';
import { createGemma, type Gemma } from './gemma.js';
import { type PreparedSource, prepareSource, unserved } from './source.js';
import { hasWorkers } from './transport.js';
import { checkFlag, checkFunction, checkSignal, invalidOption } from './validate.js';

/** Longest time that timers can count. */
const MAX_IDLE_MS = 2 ** 31 - 1;

/**
 * Loads a model, in a worker of its own. Bytes from a server are stored as they arrive: if a load is interrupted at any moment, even by closing
 * its tab, the next one resumes there.
 *
 * @param source Address of a `.gguf` file, or one of the other {@link ModelSource}s. `synthetic:gemma-2b:q4_0` (or another shape and format)
 *   stands for random weights in the shape of a real model, generated in place: for measuring, not for reading.
 * @returns The model, ready to generate: weights on the GPU, shaders compiled.
 * @throws {GemmaError} `http`, `network`, `bad_reply`, `file_changed` or `checksum_mismatch` if the download fails; `quota_exceeded` before the
 *   download if the file would not fit into this origin's storage; `not_gguf`, `truncated`, `unsupported_architecture`, `missing_tensor` and
 *   others if the file is wrong; `no_webgpu`, `limit_too_low` or `out_of_memory` if the device cannot hold it; `invalid_option` if the call is
 *   wrong. An exception of the caller's own source is thrown as it is.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function loadGemma(source: ModelSource, options: LoadOptions = {}): Promise<Gemma> {
  const { client, answer } = start('load', source, options);
  try {
    return createGemma(client, await answer, options.template);
  } catch (error) {
    client.close(error instanceof Error ? error : new GemmaError('internal', String(error)));
    throw error;
  }
}

/**
 * Inspects a model without loading it: only the header of the file is downloaded (some MB, since the vocabulary is in it).
 *
 * @param source The same as for {@link loadGemma}; note that a stream cannot be read a second time.
 * @param options The options for {@link loadGemma}; they decide the sizes of key/value cache and activations.
 * @returns Properties of the model, the GPU memory that it would take, and whether this device's adapter can hold it. A model that does not fit
 *   is no error, see `memory.verdict`; without an adapter the plan is for WebGPU's default limits.
 * @throws {GemmaError} As {@link loadGemma}, if the download, the file or an option is wrong.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function inspect(source: ModelSource, options: LoadOptions = {}): Promise<Inspection> {
  const { client, answer } = start('inspect', source, { ...options, onProgress: undefined });
  try {
    return await answer;
  } finally {
    client.close(new GemmaError('disposed', 'the inspection is over'));
  }
}

/** Starts an engine on a source. The answer may also be an abort, or an exception of the page's own source. */
function start<Name extends 'load' | 'inspect'>(
  type: Name,
  source: ModelSource,
  options: LoadOptions,
): { client: EngineClient; answer: Promise<Calls[Name]['back']> } {
  const { signal, onProgress, onDeviceLost, idleTimeout, cache, template, worker, gpu, device, ...plain } = options;
  checkSignal(signal);
  checkFlag('cache', cache);
  checkFunction('onProgress', onProgress);
  checkFunction('onDeviceLost', onDeviceLost);
  checkFunction('template', template);
  if (idleTimeout !== undefined && !(idleTimeout >= 0 && idleTimeout <= MAX_IDLE_MS)) {
    throw invalidOption('idleTimeout', idleTimeout, `milliseconds, 0 to ${MAX_IDLE_MS}`);
  }
  const target = inlineTarget({ worker, gpu, device });
  if (signal?.aborted) throw abortError();
  const { sent, transfer, failed, close } = prepare(source, target);
  const client = new EngineClient(target, { onProgress, onDeviceLost, onClose: close });
  // Ending the engine is quicker than asking it to abort, and a model that is not loaded yet has nothing worth keeping.
  const abort = (): void => client.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  const send = { source: sent, cache: cache ?? true, options: plain as PlainOptions, idleTimeout } as Calls[Name]['send'];
  const called = client.call(type, send, {}, transfer);
  const answer = (failed ? Promise.race([called, failed]) : called).finally(() => {
    signal?.removeEventListener('abort', abort);
    // Other sources are read again after the device was lost or the model slept.
    if (isStream(sent)) close();
  });
  return { client, answer };
}

function prepare(source: ModelSource, target: InlineTarget | undefined): PreparedSource {
  const readables = target && nodeFiles(source);
  return readables ? unserved({ kind: 'readables', readables }) : prepareSource(source);
}

/** Target of an engine that runs inline; undefined if it gets a worker. */
function inlineTarget({ worker, gpu, device }: Pick<LoadOptions, 'worker' | 'gpu' | 'device'>): InlineTarget | undefined {
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
