// Every name of the subpath exports, with the types of the packages they stand in for. It is compiled, not run.

import type { LanguageModelV3 } from '@ai-sdk/provider';
import type { Gemma } from 'gemma-web';
import { gemmaLanguageModel, type GemmaLanguageModelOptions } from 'gemma-web/ai-sdk';
import {
  type Availability as OwnAvailability,
  createLanguageModel,
  type LanguageModelContent,
  type LanguageModelContentType,
  type LanguageModelCreateCoreOptions as OwnCoreOptions,
  type LanguageModelCreateOptions as OwnCreateOptions,
  type LanguageModelExpected as OwnExpected,
  type LanguageModelFactory,
  type LanguageModelMessage as OwnMessage,
  type LanguageModelMonitor,
  type LanguageModelOptions,
  type LanguageModelParams as OwnParams,
  type LanguageModelPrompt as OwnPrompt,
  type LanguageModelPromptOptions as OwnPromptOptions,
  type LanguageModelSamplingMode as OwnSamplingMode,
  type LanguageModelSession,
} from 'gemma-web/language-model';
import { type ChatCompletions, type CompletionOptions, type CompletionStream, createOpenAI, type OpenAIClient, type OpenAIOptions } from 'gemma-web/openai';
import type OpenAI from 'openai';

export async function openai(model: Gemma, body: OpenAI.ChatCompletionCreateParamsNonStreaming): Promise<string> {
  const options: OpenAIOptions = { model: 'gemma' };
  const client: OpenAIClient = createOpenAI(model, options);
  const completions: ChatCompletions = client.chat.completions;
  const how: CompletionOptions = { signal: new AbortController().signal };
  const completion: OpenAI.ChatCompletion = await completions.create(body, how);
  const stream: CompletionStream = await completions.create({ ...body, stream: true });
  for await (const chunk of stream) {
    const { choices }: OpenAI.ChatCompletionChunk = chunk;
    console.log(choices[0]?.delta.content ?? '');
  }
  stream.controller.abort();
  const either: OpenAI.ChatCompletion | CompletionStream = await completions.create({ ...body, stream: Math.random() > 0.5 });
  return 'choices' in either ? (completion.choices[0]?.message.content ?? '') : (await client.models.list()).data.map(({ id }) => id).join();
}

export function aiSdk(gemma: Gemma): LanguageModelV3 {
  const options: GemmaLanguageModelOptions = { modelId: 'gemma' };
  return gemmaLanguageModel(gemma, options);
}

export async function languageModel(model: Gemma): Promise<string> {
  const options: LanguageModelOptions = { maxTokens: 100, load: { contextLength: 1024 } };
  const factory: LanguageModelFactory = createLanguageModel(model, options);
  const sampling: OwnSamplingMode = 'balanced';
  const expected: OwnExpected = { type: 'text', languages: ['en'] };
  const core: OwnCoreOptions = { samplingMode: sampling, expectedInputs: [expected] };
  const available: OwnAvailability = await factory.availability(core);
  const monitor = (target: LanguageModelMonitor): void => target.addEventListener('downloadprogress', console.log);
  const type: LanguageModelContentType = 'text';
  const part: LanguageModelContent = { type, value: 'x' };
  const message: OwnMessage = { role: 'user', content: [part] };
  const create: OwnCreateOptions = { ...core, monitor, initialPrompts: [message] };
  const session: LanguageModelSession = await factory.create(create);
  const prompt: OwnPrompt = [message];
  const how: OwnPromptOptions = { signal: new AbortController().signal };
  const params: OwnParams | null = await factory.params();
  return `${available} ${params?.maxTopK} ${await session.prompt(prompt, how)}`;
}

/** Code for the browser's own `LanguageModel`, which runs with this one. */
export async function asTheBrowsers(model: Gemma): Promise<string> {
  const Own: Pick<typeof LanguageModel, 'create' | 'availability'> = createLanguageModel(model);
  if ((await Own.availability()) === 'unavailable') return '';
  const session: LanguageModel = await Own.create({
    initialPrompts: [{ role: 'system', content: 'Be brief.' }],
    monitor: (target) => target.addEventListener('downloadprogress', ({ loaded }) => console.log(loaded)),
  });
  session.oncontextoverflow = () => console.log(session.contextUsage, session.contextWindow);
  const reader: ReadableStreamDefaultReader<string> = session.promptStreaming('Hello').getReader();
  await session.append([{ role: 'user', content: [{ type: 'text', value: 'x' }] }]);
  const other: LanguageModel = await session.clone();
  other.destroy();
  return (await reader.read()).value ?? (await session.prompt('x'));
}
