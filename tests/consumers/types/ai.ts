// The adapter given to npm's `ai`, whose own types don't compile with `exactOptionalPropertyTypes` unless libraries are left unchecked.

import { generateText, streamText } from 'ai';
import type { Gemma } from 'gemma-web';
import { gemmaLanguageModel } from 'gemma-web/ai-sdk';

export async function ask(gemma: Gemma): Promise<string> {
  const model = gemmaLanguageModel(gemma);
  for await (const text of streamText({ model, prompt: 'x' }).textStream) console.log(text);
  return (await generateText({ model, prompt: 'x' })).text;
}
