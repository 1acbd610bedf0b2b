// The benchmark page: loads a model, runs its benchmark, and shows the report.

import { type BenchProgress, type BenchReport, type Gemma, inspect, loadGemma, type LoadProgress } from 'gemma-web';
import { failureOf } from '../failure.js';
import { megabytes } from '../format.js';
import { figuresOf, phaseOf } from '../load-progress.js';
import { offeredModels } from '../offered-models.js';
import { element } from './dom.js';
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
/** Fractions of the greatest depth at which it measures. */
const PARTS = [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];
/** Models that need no file, smallest first. */
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
/** Whether the page was hidden while it measured: browsers slow hidden pages down. */
let hidden = false;

function show(text: string, bad = false): void {
  page.status.textContent = text;
  page.status.classList.toggle('bad', bad);
}

function showLoading(progress: LoadProgress): void {
  if (progress.phase === 'ready') return;
  if (progress.total !== null) page.progress.value = progress.loaded / progress.total;
  show([phaseOf(progress), ...figuresOf(progress)].join(', '));
}

function showStep({ stage, done, total, tokensPerSecond }: BenchProgress): void {
  page.progress.value = done / total;
  const speed = tokensPerSecond === null ? '' : `: ${tokensPerSecond.toFixed(1)} tokens/s`;
  show(`${done} of ${total}. ${STAGES[stage]}${speed}`);
}

/** Depths up to the greatest one; if the context is shorter, the last is as deep as it allows. */
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

/** The adapter's name as the browser tells it, which may be empty. */
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
  // At least the context that the check of the results needs.
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
  if (what.source === '') return show('Enter an address, or choose a file.', true);
  running = new AbortController();
  hidden = document.hidden;
  page.progress.removeAttribute('value');
  updateControls();
  show('Starting …');
  try {
    const report = await measure(what, running.signal);
    showReport({ ...report, adapterInfo: await describeAdapter(), pageHidden: hidden });
    show(hidden ? 'Done, but the page was hidden for a while, and browsers slow hidden pages down.' : 'Done.', hidden);
  } catch (error) {
    const failure = failureOf(error);
    show(failure ? `${failure.message} (${failure.code})` : 'Cancelled.', failure !== undefined);
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
  // The last choice counts.
  page.file.value = '';
});
document.addEventListener('visibilitychange', () => {
  hidden ||= running !== undefined && document.hidden;
});
void offerModels();
updateControls();
