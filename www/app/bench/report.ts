// The report of a benchmark on the page: speeds, plot, facts, kernels, and the JSON to copy.

import type { BenchReport, BenchSpread, GenerationTest, KernelProfile, WorkCounts } from 'gemma-web';
import { megabytes } from '../format.js';
import { element } from './dom.js';
import { plot } from './plot.js';

const page = {
  results: element('results', HTMLElement),
  subject: element('subject', HTMLElement),
  speeds: element('speeds', HTMLTableElement),
  plotFigure: element('plot-figure', HTMLElement),
  plot: element('plot', HTMLElement),
  facts: element('facts', HTMLElement),
  copy: element('copy', HTMLButtonElement),
  copied: element('copied', HTMLElement),
  json: element('json', HTMLPreElement),
  kernelResults: element('kernel-results', HTMLElement),
  kernelsMethod: element('kernels-method', HTMLElement),
  kernels: element('kernels', HTMLElement),
};

function made<Name extends keyof HTMLElementTagNameMap>(name: Name, ...children: (Node | string)[]): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}

/** A row whose first cell is its heading. */
function row(heading: string, ...cells: string[]): HTMLTableRowElement {
  const head = made('th', heading);
  head.scope = 'row';
  return made('tr', head, ...cells.map((cell) => made('td', cell)));
}

/** Three significant digits, without an exponent. */
const digits = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
/** Three significant digits, with trailing zeros. */
const speed = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const between = ({ min, max }: BenchSpread): string => `${speed(min)} to ${speed(max)}`;
const seconds = (ms: number): string => (ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`);

function generationRow(test: GenerationTest, behind: boolean): HTMLTableRowElement {
  const ofMemory = test.ofRoofline === null ? '' : `, ${percent(test.ofRoofline)} of memory speed`;
  const work = `${megabytes(test.bytesPerToken)} a token, ${digits(test.gigabytesPerSecond)} GB/s${ofMemory}`;
  const name = behind ? `tg${test.tokens} @ d${test.depth}` : `tg${test.tokens}`;
  return row(name, speed(test.tokensPerSecond.median), between(test.tokensPerSecond), work);
}

function speedRows({ prompt, generation, depths, protocol }: BenchReport): HTMLTableRowElement[] {
  const rows = depths.map((test) => generationRow(test, true));
  if (generation) rows.unshift(generationRow(generation, protocol === 'litert'));
  if (prompt) {
    const work = `${digits(prompt.teraflops)} TFLOP/s, first token after ${seconds(prompt.firstTokenMs.median)}`;
    rows.unshift(row(`pp${prompt.tokens}`, speed(prompt.tokensPerSecond.median), between(prompt.tokensPerSecond), work));
  }
  return rows;
}

function work({ dispatches, passes, submits, objects, bytesRead }: WorkCounts): string {
  return [
    `dispatches ${digits(dispatches)}`,
    `passes ${digits(passes)}`,
    `submissions ${digits(submits)}`,
    `objects made ${digits(objects)}`,
    `bytes read back ${bytesRead.toFixed(0)}`,
  ].join(', ');
}

function facts(report: BenchReport): (readonly [string, string])[] {
  const { gate, roofline, perToken, loadMs, coldFirstTokenMs, features } = report;
  return [
    [
      'Check of the results',
      `${gate.tokens.length} tokens are the same in two runs; ${gate.same} of ${gate.compared} positions are the same when computed at once ` +
        `(largest gap ${gate.worstGap.toFixed(2)}, limit ${gate.tolerance})`,
    ],
    ...(roofline ? [['Memory speed', `${digits(roofline.gigabytesPerSecond)} GB/s, over ${roofline.bytes / 2 ** 20} MiB`] as const] : []),
    ...(perToken ? [['Work per token', work(perToken)] as const] : []),
    ['Load time', `${loadMs === null ? '?' : seconds(loadMs)}, first token of all after ${seconds(coldFirstTokenMs)}`],
    ['Kernels', report.model.tuning],
    ['Optional features', features.length === 0 ? 'none' : features.join(', ')],
    ['Runs', `${report.repetitions}, after ${report.warmups} for warming up`],
  ];
}

function kernelTable(name: string, { kernels }: KernelProfile): HTMLElement {
  const total = kernels.reduce((sum, { us }) => sum + us, 0);
  const head = made('tr', ...['Kernel', 'Calls', 'Microseconds', 'Share', 'GB/s'].map((title) => {
    const cell = made('th', title);
    cell.scope = 'col';
    return cell;
  }));
  const rows = [...kernels]
    .sort((a, b) => b.us - a.us)
    .map(({ kernel, calls, us, matrixBytes }) =>
      row(kernel, String(calls), digits(us), percent(us / total), matrixBytes > 0 && us > 0 ? digits(matrixBytes / us / 1e3) : ''),
    );
  const table = made('table', made('caption', `${name}: ${seconds(total / 1000)}`), made('thead', head), made('tbody', ...rows));
  const scroll = made('div', table);
  scroll.className = 'scroll';
  return scroll;
}

function showKernels({ kernels }: BenchReport): void {
  page.kernelResults.hidden = kernels === null;
  if (!kernels) return;
  const coarse = (kernels.decode.resolutionNs ?? 0) > 1000 ? `, which this browser gives in steps of ${digits((kernels.decode.resolutionNs ?? 0) / 1000)} µs` : '';
  page.kernelsMethod.textContent =
    kernels.decode.method === 'timestamps'
      ? `Measured by the GPU's timestamps around each dispatch${coarse}. A dispatch takes longer alone than among others.`
      : 'This browser gives no timestamps, so each kernel was repeated alone and timed by the clock.';
  page.kernels.replaceChildren(
    kernelTable(`A token at position ${kernels.decodePosition}`, kernels.decode),
    kernelTable(`A prompt's first ${kernels.promptTokens} tokens`, kernels.prompt),
  );
}

/** A report with what only the page knows. */
export interface PageReport extends BenchReport {
  /** The adapter's name as the browser tells it. */
  readonly adapterInfo: string;
  /** Whether the page was hidden for a while. */
  readonly pageHidden: boolean;
}

/** Shows a report. */
export function showReport(report: PageReport): void {
  const { model, label, file, adapterInfo } = report;
  const size = file.bytes === null ? '' : `, ${megabytes(file.bytes)}`;
  const device = model.adapter.name || adapterInfo || 'an unnamed adapter';
  page.subject.textContent = `${label ?? file.name} (${model.quantisation}${size}) on ${device}`;
  page.speeds.tBodies[0]?.replaceChildren(...speedRows(report));
  page.plotFigure.hidden = report.depths.length < 2;
  page.plot.replaceChildren(...(report.depths.length < 2 ? [] : [plot(report.depths)]));
  page.facts.replaceChildren(...facts(report).flatMap(([name, value]) => [made('dt', name), made('dd', value)]));
  page.json.textContent = JSON.stringify(report, undefined, 2);
  page.copied.textContent = '';
  showKernels(report);
  page.results.hidden = false;
}

page.copy.addEventListener('click', () => {
  navigator.clipboard.writeText(page.json.textContent ?? '').then(
    () => void (page.copied.textContent = 'Copied.'),
    () => void (page.copied.textContent = 'The browser did not allow it. Copy the text below.'),
  );
});
