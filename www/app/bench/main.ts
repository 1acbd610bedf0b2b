// The page that measures: loads a model, runs its benchmark, shows the report.

import { type BenchProgress, type BenchReport, type Gemma, inspect, loadGemma, type LoadProgress } from 'gemma-web';
import { element, explain, megabytes, offeredModels, progressText } from '../format.js';
import { showReport } from './report.js';

const page = {
  form: element('form', HTMLFormElement),
  address: element('address', HTMLInputElement),
  file: element('file', HTMLInputElement),
  models: element('models', HTMLDataListElement),
  protocol: element('protocol', HTMLSelectElement),
  promptTokens: element('prompt-tokens', HTMLInputElement),
  generatedTokens: element('generated-tokens', HTMLInputElement),
  repetitions: element('repetitions', HTMLInputElement),
  depth: element('depth', HTMLSelectElement),
  start: element('start', HTMLButtonElement),
  cancel: element('cancel', HTMLButtonElement),
  progress: element('progress', HTMLProgressElement),
  status: element('status', HTMLElement),
};

const PROTOCOLS = { 'llama-bench': [512, 128], litert: [1024, 256] } as const;
/** Parts of the greatest depth that are measured too. */
const PARTS = [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];
/** What can be measured without a file, smallest first. */
const SYNTHETIC = ['gemma-3-270m:q4_k_m', 'gemma-3-1b:q4_0', 'gemma-2b:q4_0', 'gemma-2-2b:q4_0', 'gemma-3-4b:q4_0'];
const STAGES: Readonly<Record<BenchProgress['stage'], string>> = {
  gate: 'Results checked',
  counts: 'Work counted',
  roofline: 'Memory speed measured',
  prompt: 'Prompt',
  generation: 'Generation',
  depth: 'Generation by depth',
  kernels: 'Kernels timed',
};

let running: AbortController | undefined;
/** Whether the page was out of sight while it measured: browsers slow such pages down. */
let hidden = false;

function show(text: string, bad = false): void {
  page.status.textContent = text;
  page.status.classList.toggle('bad', bad);
}

function showLoading(progress: LoadProgress): void {
  if (progress.phase === 'ready') return;
  if (progress.total !== null) page.progress.value = progress.loaded / progress.total;
  show(progressText(progress));
}

function showStep({ stage, done, total, tokensPerSecond }: BenchProgress): void {
  page.progress.value = done / total;
  const speed = tokensPerSecond === null ? '' : `: ${tokensPerSecond.toFixed(1)} tokens/s`;
  show(`${done} of ${total}. ${STAGES[stage]}${speed}`);
}

/** Depths up to what was asked for; where the context ends before, the last is as deep as it allows. */
function depths(most: number, available: number): number[] {
  if (most === 0) return [];
  const within = PARTS.map((part) => part * most).filter((depth) => depth <= available);
  return available > 0 && available < most ? [...new Set([...within, available])] : within;
}

interface Subject {
  readonly source: string | File;
  readonly label: string;
}

function subject(): Subject {
  const chosen = page.file.files?.[0];
  if (chosen) return { source: chosen, label: chosen.name };
  return { source: page.address.value, label: page.address.value };
}

/** What the browser says of its adapter, which is little and not always something. */
async function describeAdapter(): Promise<string> {
  type Adapter = { readonly info?: Readonly<Record<'vendor' | 'architecture' | 'device' | 'description', string>> };
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(options: object): Promise<Adapter | null> } };
  const info = (await gpu?.requestAdapter({ powerPreference: 'high-performance' }))?.info;
  const words = info ? [info.vendor, info.architecture, info.device, info.description] : [];
  return [...new Set(words.filter((word) => word !== ''))].join(' ');
}

async function measure({ source, label }: Subject, signal: AbortSignal): Promise<BenchReport> {
  const [promptTokens, generatedTokens] = [page.promptTokens.valueAsNumber, page.generatedTokens.valueAsNumber];
  const protocol = page.protocol.value as keyof typeof PROTOCOLS;
  const longest = (await inspect(source, { signal })).config.contextLength;
  const wanted = depths(Number(page.depth.value), longest - generatedTokens - 1);
  const before = Math.max(protocol === 'litert' ? promptTokens : 1, ...wanted);
  // Never less than the check of the results takes.
  const contextLength = Math.min(longest, Math.max(64, promptTokens + 1, before + generatedTokens + 1));
  const begin = performance.now();
  const model: Gemma = await loadGemma(source, { contextLength, signal, onProgress: showLoading });
  try {
    return await model.bench({
      protocol,
      promptTokens,
      generatedTokens,
      repetitions: page.repetitions.valueAsNumber,
      depths: wanted,
      label,
      host: navigator.userAgent,
      date: new Date().toISOString().slice(0, 10),
      loadMs: performance.now() - begin,
      onProgress: showStep,
      signal,
    });
  } finally {
    model.dispose();
  }
}

async function start(): Promise<void> {
  const what = subject();
  if (what.source === '') return show('Give an address, or choose a file.', true);
  running = new AbortController();
  hidden = document.hidden;
  page.progress.removeAttribute('value');
  updateControls();
  show('Starting …');
  try {
    const report = await measure(what, running.signal);
    showReport({ ...report, adapterInfo: await describeAdapter(), pageHidden: hidden });
    show(hidden ? 'Done, but the page was out of sight for a while: browsers slow such pages down.' : 'Done.', hidden);
  } catch (error) {
    const reason = explain(error);
    show(reason ?? 'Cancelled.', reason !== undefined);
  } finally {
    running = undefined;
    updateControls();
  }
}

function updateControls(): void {
  const busy = running !== undefined;
  page.start.hidden = busy;
  page.cancel.hidden = !busy;
  page.progress.hidden = !busy;
  const inputs = [page.address, page.file, page.protocol, page.promptTokens, page.generatedTokens, page.repetitions, page.depth];
  for (const input of inputs) input.disabled = busy;
}

async function offerModels(): Promise<void> {
  const offered = await offeredModels();
  const options = [
    ...offered.map(({ name, url, bytes }) => ({ value: url, label: `${name}, ${megabytes(bytes)}` })),
    ...SYNTHETIC.map((name) => ({ value: `synthetic:${name}`, label: 'random weights, no download' })),
  ];
  page.models.replaceChildren(...options.map((option) => Object.assign(document.createElement('option'), option)));
  if (page.address.value === '') page.address.value = options[0]?.value ?? '';
  if (!running && page.status.textContent === '') show('Keep this page in sight while it measures.');
}

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (!running) void start();
});
page.cancel.addEventListener('click', () => running?.abort());
page.protocol.addEventListener('change', () => {
  const [prompt, generated] = PROTOCOLS[page.protocol.value as keyof typeof PROTOCOLS];
  page.promptTokens.value = String(prompt);
  page.generatedTokens.value = String(generated);
});
page.address.addEventListener('input', () => {
  // What was set last counts.
  page.file.value = '';
});
document.addEventListener('visibilitychange', () => {
  hidden ||= running !== undefined && document.hidden;
});
void offerModels();
updateControls();
