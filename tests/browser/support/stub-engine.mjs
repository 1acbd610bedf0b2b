// @ts-nocheck: it runs in pages, as text.
// A stand-in for the engine's worker on a page: answers the library's calls as a model would, with a given text. For tests of what the
// page does with an answer: the same on every machine, and fast on each.

/**
 * For `page.evaluateOnNewDocument`: refers to nothing outside of itself.
 * @param {{ text: string, piece?: number, everyMs?: number, perTick?: number, hold?: number, rate?: number, chat?: boolean, loadMs?: number,
 *   failure?: { code: string, message: string, details: object } }} stubbed
 */
export function stubEngine(stubbed) {
  // The page's calls, for tests to look at.
  const calls = (globalThis.calls = []);
  globalThis.Worker = class StubbedWorker {
    onmessage = null;
    onerror = null;
    #stopped = new Set();

    postMessage(message) {
      const answers = {
        cacheList: () => [],
        cacheSize: () => 0,
        inspect: () => inspection,
        countTokens: ({ prompt }) => Math.ceil(JSON.stringify(prompt).length / 4),
        load: (call) => this.#load(call),
        generate: (call) => this.#generate(call),
      };
      calls.push(structuredClone(message));
      if (message.type === 'stop' || message.type === 'abort') return void this.#stopped.add(message.id);
      Promise.resolve(answers[message.type]?.(message)).then(
        (value) => this.#tell({ type: 'done', id: message.id, value }),
        (error) => this.#tell({ type: 'failed', id: message.id, error }),
      );
    }

    terminate() {
      this.onmessage = null;
    }

    #tell(data) {
      setTimeout(() => this.onmessage?.({ data: structuredClone(data) }));
    }

    async #load({ id }) {
      const { loadMs = 0, failure, chat = true } = stubbed;
      const total = inspection.fileBytes;
      for (let done = 0; loadMs > 0 && done < 10; done += 1) {
        const progress = { phase: 'weights', loaded: Math.round((total * done) / 16), total, cached: 0, bytesPerSecond: 31e6, etaSeconds: 17, paused: null };
        this.#tell({ type: 'progress', id, progress });
        await new Promise((next) => setTimeout(next, loadMs / 10));
      }
      if (failure) throw failure;
      return { ...info, chat };
    }

    async #generate({ id }) {
      const { text, piece = 4, everyMs = 0, perTick = 1, hold = 1e9 } = stubbed;
      const begin = performance.now();
      let at = 0;
      let count = 0;
      while (at < text.length && !this.#stopped.has(id)) {
        await new Promise((next) => setTimeout(next, everyMs));
        for (let n = 0; n < perTick && at < Math.min(text.length, hold); n += 1) {
          this.#tell({ type: 'token', id, piece: { id: count, text: text.slice(at, at + piece) } });
          at += piece;
          count += 1;
        }
      }
      const ms = performance.now() - begin;
      const usage = { promptTokens: 32, completionTokens: count, cachedTokens: 0, droppedTokens: 0 };
      const timings = { promptMs: 80, firstTokenMs: 92, decodeMs: ms, promptPerSecond: 400, decodePerSecond: stubbed.rate ?? (1000 * count) / ms };
      const finishReason = this.#stopped.has(id) ? 'cancelled' : 'stop';
      return { result: { text: text.slice(0, at), tokens: [], finishReason, usage, timings, seed: 1 }, history: undefined };
    }
  };

  const config = { generation: 'gemma3', name: 'Gemma 3 1B It', nLayers: 26, width: 1152, nHeads: 4, nKvHeads: 1, headLen: 256, ffnWidth: 6912, nVocab: 262144, contextLength: 32768, window: 512 };
  const adapter = { name: '', backend: 'BrowserWebGpu', driver: '', maxBindingBytes: 2 ** 31, maxBufferBytes: 2 ** 31, maxStorageBuffers: 10, subgroups: true };
  const bytes = { weights: 812e6, kv: 109e6, scratch: 31e6 };
  const inspection = {
    config,
    quantisation: 'Q4_K_M',
    formats: [['Q4_K', 8e8]],
    fileBytes: 806_058_240,
    memory: { contextLength: 4096, tensors: [], ...bytes, total: 952e6, verdict: { kind: 'fits' } },
    storage: { quota: 64e9, usage: 1e9 },
    adapter,
  };
  const info = {
    config,
    contextLength: 4096,
    quantisation: 'Q4_K_M',
    formats: inspection.formats,
    adapter,
    gpuBytes: { ...bytes, sessions: 0 },
    tuning: 'f32/1',
    defaults: { maxTokens: 256, temperature: 1, topK: 64, topP: 0.95, minP: 0, repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 },
    cache: { stored: true, ids: ['00'] },
  };
}
