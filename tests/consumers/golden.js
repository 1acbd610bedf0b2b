// The common part of every app of this folder: loads a model of its own origin and generates.

/** The prompt "seven" of tests/data/tiny/tiny-gemma3-q4_0.json. */
export const PROMPT = [2, 959, 742, 863, 771, 585, 745];

/**
 * @param {typeof import('gemma-web').loadGemma} loadGemma
 * @param {import('gemma-web').ModelSource} source
 * @param {import('gemma-web').LoadOptions} [options]
 */
export async function generateGolden(loadGemma, source, options) {
  const model = await loadGemma(source, { tuning: 'f32/1', cache: false, ...options });
  const { text, tokens } = await model.generate(PROMPT, { temperature: 0, maxTokens: 5 });
  await model.dispose();
  return { text, tokens };
}
