import { loadGemma } from 'gemma-web';

export async function load(model) {
  const gemma = await loadGemma(model);
  return {
    async generate(prompt, maxTokens, onToken) {
      const { text, tokens, usage, timings } = await gemma.generate(prompt.text, { maxTokens, temperature: 0, onToken });
      return { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens, text, ids: tokens, own: timings };
    },
    tokenize: (text) => gemma.tokenize(text),
  };
}
