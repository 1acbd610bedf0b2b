// The stopwatch: the same for every engine, around the public interface that an engine's own users call.
//
// An engine is a module of engines/ with `load(model)`, which resolves to `generate(prompt, maxTokens, onToken)`: greedy,
// from an empty cache. A prompt is `{ text, ids }`; `onToken` is called as each token arrives. `generate` resolves to
// the computed tokens of prompt and answer, as the engine counts them, and to the answer.

let engine;

globalThis.bench = {
  /** Loads the engine of that name; milliseconds. */
  async load(name, model) {
    const { load } = await import(`./engines/${name}.js`);
    const begin = performance.now();
    engine = await load(model);
    return performance.now() - begin;
  },

  /** One generation: milliseconds to the first token and, from that one to the last, of each following token. */
  async run(prompt, maxTokens) {
    const arrivals = [];
    const begin = performance.now();
    const counted = await engine.generate(prompt, maxTokens, () => arrivals.push(performance.now()));
    if (arrivals.length === 0) throw new Error('no token arrived');
    const decodeMs = arrivals.at(-1) - arrivals[0];
    return { firstTokenMs: arrivals[0] - begin, decodeMs, ...counted };
  },

  /** Token ids without beginning-of-sequence; gemma-web only. */
  tokenize: (text) => engine.tokenize(text),
};
