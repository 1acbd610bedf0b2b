import { Wllama } from '@wllama/wllama';

export async function load(model) {
  const wllama = new Wllama({ default: '/npm/@wllama/wllama/esm/wasm/wllama.wasm' });
  wllama.setCompat(null);
  const file = await (await fetch(model)).blob();
  // It gives up if the GPU takes 30 s for a batch, as a software GPU does; smaller ones cost nothing (measured: 16.2 s of CPU
  // time for 87 tokens, in batches of 64 and at once).
  await wllama.loadModel([file], { n_ctx: 4096, n_ubatch: 64, n_parallel: 1 });
  return {
    async generate(prompt, maxTokens, onToken) {
      let text = '';
      let last;
      const onData = (chunk) => {
        const [choice] = chunk.choices;
        // One chunk for each token, then one with the finish reason.
        if (choice.finish_reason === null) onToken();
        text += choice.text;
        last = chunk;
      };
      const options = { max_tokens: maxTokens, temperature: 0, top_k: 1, cache_prompt: false, ignore_eos: true };
      await wllama.createCompletion({ prompt: prompt.text, ...options, stream: true, onData });
      const { prompt_n: promptTokens, predicted_n: completionTokens } = last.timings;
      return { promptTokens, completionTokens, text, own: last.timings };
    },
  };
}
