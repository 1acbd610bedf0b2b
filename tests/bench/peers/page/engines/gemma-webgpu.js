import { createGemmaEngine } from 'gemma-webgpu';

export async function load(model) {
  const engine = await createGemmaEngine({ model });
  return {
    // It knows conversations only: a turn's marks are part of its prompt.
    async generate(prompt, maxTokens, onToken) {
      engine.resetConversation();
      engine.addUserMessage(prompt.text);
      const pieces = [];
      for await (const piece of engine.generate({ temperature: 0, repPenalty: 1, maxTokens })) {
        onToken();
        pieces.push(piece);
      }
      // The position counts the prompt and every answered token but the last.
      const promptTokens = engine.kvPosition - (pieces.length - 1);
      return { promptTokens, completionTokens: pieces.length, text: pieces.join('') };
    },
  };
}
