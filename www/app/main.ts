// The demo page: load a model, continue a text.

import { type Gemma, type GenerateResult, loadGemma, type LoadProgress, type ModelInfo, type ModelSource } from 'gemma-web';
import { element, explain, megabytes, offeredModels, progressText } from './page.js';

const page = {
  loadForm: element('load-form', HTMLFormElement),
  address: element('address', HTMLInputElement),
  models: element('models', HTMLDataListElement),
  file: element('file', HTMLInputElement),
  load: element('load', HTMLButtonElement),
  cancel: element('cancel', HTMLButtonElement),
  progress: element('progress', HTMLProgressElement),
  status: element('status', HTMLElement),
  promptForm: element('prompt-form', HTMLFormElement),
  prompt: element('prompt', HTMLTextAreaElement),
  maxTokens: element('max-tokens', HTMLInputElement),
  temperature: element('temperature', HTMLInputElement),
  seed: element('seed', HTMLInputElement),
  generate: element('generate', HTMLButtonElement),
  stop: element('stop', HTMLButtonElement),
  output: element('output', HTMLElement),
  given: element('given', HTMLElement),
  generated: element('generated', HTMLElement),
  figures: element('figures', HTMLElement),
};

let model: Gemma | undefined;
let loading: AbortController | undefined;
let generating: AbortController | undefined;

function show(text: string, bad = false): void {
  page.status.textContent = text;
  page.status.classList.toggle('bad', bad);
}

function showProgress(progress: LoadProgress): void {
  const { phase, loaded, total } = progress;
  if (phase === 'ready') return;
  if (total === null) page.progress.removeAttribute('value');
  else page.progress.value = loaded / total;
  show(progressText(progress));
}

function describe({ config, quantisation, contextLength, adapter, gpuBytes, cache }: ModelInfo): string {
  const name = config.name === '' ? config.generation : config.name;
  const memory = megabytes(gpuBytes.weights + gpuBytes.kv + gpuBytes.scratch);
  const device = adapter.name === '' ? '' : ` on ${adapter.name}`;
  const kept = cache.stored ? 'kept on this device' : `not kept: ${cache.why}`;
  return `${name} (${quantisation}), context of ${contextLength} tokens, ${memory} of GPU memory${device}; ${kept}`;
}

async function load(source: ModelSource): Promise<void> {
  if (loading || generating) return;
  model?.dispose();
  model = undefined;
  loading = new AbortController();
  updateControls();
  show('Starting …');
  try {
    model = await loadGemma(source, { signal: loading.signal, onProgress: showProgress });
    show(describe(model.info));
  } catch (error) {
    const reason = explain(error);
    show(reason ?? 'Cancelled.', reason !== undefined);
  } finally {
    loading = undefined;
    updateControls();
  }
}

/** The parts of a model may have been picked in any order; their names put them right. */
function loadFiles(list: FileList | null | undefined): void {
  const files = [...(list ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (files.length > 0) void load(files);
}

function figures({ usage, timings, finishReason }: GenerateResult): string {
  const first = `first after ${(timings.firstTokenMs / 1000).toFixed(2)} s`;
  const rate = `${timings.decodePerSecond.toFixed(1)} tokens/s`;
  const end = finishReason === 'stop' ? 'the model ended its text' : 'the limit was reached';
  return `${usage.promptTokens} + ${usage.completionTokens} tokens, ${first}, ${rate}; ${end}`;
}

async function generate(gemma: Gemma): Promise<void> {
  generating = new AbortController();
  updateControls();
  page.given.textContent = page.prompt.value;
  page.generated.textContent = '';
  page.figures.textContent = 'Reading the text …';
  page.output.setAttribute('aria-busy', 'true');
  const begin = performance.now();
  let count = 0;
  try {
    const result = await gemma.generate(page.prompt.value, {
      maxTokens: page.maxTokens.valueAsNumber,
      temperature: page.temperature.valueAsNumber,
      ...(page.seed.value === '' ? {} : { seed: page.seed.valueAsNumber }),
      signal: generating.signal,
      onToken: ({ text }) => {
        const atEnd = page.output.scrollTop + page.output.clientHeight >= page.output.scrollHeight - 8;
        page.generated.append(text);
        if (atEnd) page.output.scrollTop = page.output.scrollHeight;
        count += 1;
        page.figures.textContent = `${count} tokens, ${(count / ((performance.now() - begin) / 1000)).toFixed(1)} tokens/s`;
      },
    });
    page.figures.textContent = figures(result);
  } catch (error) {
    page.figures.textContent = explain(error) ?? `Stopped after ${count} tokens.`;
  } finally {
    generating = undefined;
    page.output.removeAttribute('aria-busy');
    updateControls();
  }
}

function updateControls(): void {
  page.load.hidden = loading !== undefined;
  page.cancel.hidden = loading === undefined;
  page.progress.hidden = loading === undefined;
  page.address.disabled = loading !== undefined || generating !== undefined;
  page.file.disabled = page.address.disabled;
  page.load.disabled = generating !== undefined;
  page.generate.disabled = model === undefined;
  page.generate.hidden = generating !== undefined;
  page.stop.hidden = generating === undefined;
}

async function offerModels(): Promise<void> {
  const list = await offeredModels();
  page.models.replaceChildren(
    ...list.map(({ name, url, bytes }) => Object.assign(document.createElement('option'), { value: url, label: `${name}, ${megabytes(bytes)}` })),
  );
  const first = list[0];
  if (first && page.address.value === '') {
    page.address.value = first.url;
    show(`${first.name}, ${megabytes(first.bytes)}: ready to load`);
  }
}

page.loadForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void load(page.address.value);
});
page.file.addEventListener('change', () => loadFiles(page.file.files));
for (const type of ['dragover', 'dragleave', 'drop'] as const) {
  document.addEventListener(type, (event) => {
    // Else the browser would leave the page to show the file.
    event.preventDefault();
    document.body.classList.toggle('dropping', type === 'dragover');
    if (type === 'drop') loadFiles(event.dataTransfer?.files);
  });
}
page.cancel.addEventListener('click', () => loading?.abort());
page.promptForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (model && !generating) void generate(model);
});
page.stop.addEventListener('click', () => generating?.abort());
page.prompt.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) page.promptForm.requestSubmit();
});
void offerModels();
updateControls();
