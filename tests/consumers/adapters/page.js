// The adapters end to end: one model, asked the same through each. The runner compares what they say.

import { generateText, streamText } from 'ai';
import { cache, loadGemma } from 'gemma-web';
import { gemmaLanguageModel } from 'gemma-web/ai-sdk';
import { createLanguageModel } from 'gemma-web/language-model';
import { createOpenAI } from 'gemma-web/openai';

const messages = [
  { role: 'system', content: 'be brief' },
  { role: 'user', content: 'say what you eat' },
];
const MAX_TOKENS = 6;

/** A tiny model has no turn format of its own. @param {readonly import('gemma-web').Message[]} turns */
const template = (turns) => turns.map(({ role, content }) => `${role}: ${content}\n`).join('');

async function overOpenAI(model) {
  const { create } = createOpenAI(model).chat.completions;
  const body = { model: 'gemma', messages, temperature: 0, max_tokens: MAX_TOKENS };
  const whole = await create({ ...body, logprobs: true, top_logprobs: 2 });
  let text = '';
  let usage;
  for await (const chunk of await create({ ...body, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  const [{ message, finish_reason, logprobs }] = whole.choices;
  return {
    texts: [message.content, text],
    finish: finish_reason,
    likeliest: logprobs.content.every(({ token, top_logprobs }) => top_logprobs.length === 2 && top_logprobs[0].token === token),
    tokens: usage.completion_tokens,
    cached: usage.prompt_tokens_details.cached_tokens > 0,
  };
}

async function overAiSdk(gemma) {
  const model = gemmaLanguageModel(gemma);
  const [{ content: system }, { content: prompt }] = messages;
  const asked = { model, system, prompt, temperature: 0, maxOutputTokens: MAX_TOKENS };
  const whole = await generateText(asked);
  const streamed = streamText(asked);
  let text = '';
  for await (const piece of streamed.textStream) text += piece;
  const abort = new AbortController();
  const aborted = streamText({ ...asked, maxOutputTokens: 500, abortSignal: abort.signal });
  const kinds = [];
  for await (const { type } of aborted.fullStream) {
    kinds.push(type);
    if (type === 'text-delta') abort.abort();
  }
  return {
    texts: [whole.text, text],
    finish: await streamed.finishReason,
    tokens: (await streamed.usage).outputTokens,
    cached: (await streamed.usage).inputTokenDetails.cacheReadTokens > 0,
    ends: kinds.at(-1),
  };
}

async function overLanguageModel(model) {
  const LanguageModel = createLanguageModel(model, { maxTokens: MAX_TOKENS });
  const [system, { content: prompt }] = messages;
  const session = await LanguageModel.create({ initialPrompts: [system], samplingMode: 'most-predictable' });
  const fork = await session.clone();
  const text = await session.prompt(prompt);
  let streamed = '';
  for await (const piece of readable(fork.promptStreaming(prompt))) streamed += piece;
  const used = session.contextUsage;
  const again = await session.prompt('and then');
  const sum = { texts: [text, streamed], grows: session.contextUsage > used && used > 0, again: again.length > 0, available: await LanguageModel.availability() };
  session.destroy();
  return { ...sum, gone: await session.prompt('x').catch(({ name }) => name) };
}

/** The same from an address: what is available, how the download goes, and what the next visit finds. */
async function fromAddress() {
  const address = '/models/tiny-gemma3-q4_0.gguf';
  const load = { tuning: 'f32/1', template };
  const LanguageModel = createLanguageModel(address, { load, maxTokens: 1 });
  const availability = [await LanguageModel.availability()];
  const abort = new AbortController();
  const stopped = LanguageModel.create({ signal: abort.signal }).catch(({ name }) => name);
  availability.push(await LanguageModel.availability());
  abort.abort();
  const name = await stopped;
  const told = [];
  const monitor = (target) => target.addEventListener('downloadprogress', ({ loaded }) => told.push(loaded));
  const session = await LanguageModel.create({ monitor });
  availability.push(await LanguageModel.availability(), await createLanguageModel(address).availability());
  const sorted = told.every((fraction, index) => index === 0 || fraction > told[index - 1]);
  const answer = await session.prompt('x');
  session.destroy();
  await cache.clear();
  return { availability, name, from: told[0], to: told.at(-1), sorted, answered: typeof answer === 'string' };
}

/** Not every browser's streams can be looped over. */
async function* readable(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

async function run() {
  const model = await loadGemma('/models/tiny-gemma3-q4_0.gguf', { tuning: 'f32/1', cache: false, template });
  const { text } = await model.generate(messages, { temperature: 0, maxTokens: MAX_TOKENS });
  const said = { text, openai: await overOpenAI(model), aiSdk: await overAiSdk(model), languageModel: await overLanguageModel(model) };
  await model.dispose();
  return { ...said, address: await fromAddress() };
}

globalThis.outcome = run();
