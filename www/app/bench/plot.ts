// A plot of speed against depth as SVG: the median as a line, lowest and highest as a bar.

import type { GenerationTest } from 'gemma-web';

const [WIDTH, HEIGHT] = [720, 300];
const MARGIN = { top: 16, right: 20, bottom: 44, left: 60 };

function svg(name: string, attributes: Readonly<Record<string, string | number>>, ...children: (Node | string)[]): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Steps of 1, 2 or 5 times a power of ten, about five of them up to `most`. */
function ticks(most: number): number[] {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** Depths are powers of two, and so are the marks below them. */
function depthTicks(most: number): number[] {
  const step = Math.max(1, 2 ** Math.ceil(Math.log2(most / 4)));
  const marks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return most - (marks.at(-1) ?? 0) > step / 2 ? [...marks, most] : marks;
}

/** Draws the tests, which are in the order of their depths. */
export function plot(tests: readonly GenerationTest[]): SVGElement {
  const deepest = Math.max(1, ...tests.map((test) => test.depth));
  const top = Math.max(Number.MIN_VALUE, ...tests.map((test) => test.tokensPerSecond.max)) * 1.05;
  const x = (depth: number): number => MARGIN.left + (depth / deepest) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (speed: number): number => HEIGHT - MARGIN.bottom - (speed / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const grid = ticks(top).flatMap((speed) => [
    svg('line', { class: 'grid', x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(speed), y2: y(speed) }),
    svg('text', { x: MARGIN.left - 8, y: y(speed), 'text-anchor': 'end', 'dominant-baseline': 'middle' }, short(speed)),
  ]);
  const below = depthTicks(deepest).map((depth) =>
    svg('text', { x: x(depth), y: HEIGHT - MARGIN.bottom + 20, 'text-anchor': 'middle' }, String(depth)),
  );
  const line = svg('polyline', {
    class: 'speed',
    points: tests.map(({ depth, tokensPerSecond }) => `${x(depth).toFixed(1)},${y(tokensPerSecond.median).toFixed(1)}`).join(' '),
  });
  const points = tests.flatMap(({ depth, tokensPerSecond: { median, min, max } }) => [
    svg('line', { class: 'spread', x1: x(depth), x2: x(depth), y1: y(min), y2: y(max) }),
    svg('circle', { cx: x(depth), cy: y(median), r: 4 }, svg('title', {}, `${short(median)} tokens/s behind ${depth} positions`)),
  ]);
  const name = tests.map(({ depth, tokensPerSecond }) => `${short(tokensPerSecond.median)} behind ${depth}`).join(', ');
  return svg(
    'svg',
    { class: 'plot', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `Tokens per second: ${name}` },
    ...grid,
    ...below,
    svg('text', { x: WIDTH - MARGIN.right, y: HEIGHT - 6, 'text-anchor': 'end' }, 'positions before'),
    svg('text', { x: 8, y: MARGIN.top - 4 }, 'tokens/s'),
    line,
    ...points,
  );
}
