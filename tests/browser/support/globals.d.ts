// The globals of the test page, which tests/browser/page/page.js sets.

type GemmaWeb = typeof import('../../../www/lib/index.js');

declare var gemmaWeb: GemmaWeb;
/** Makes a source of `{ kind, urls }`, see page/sources.js. */
declare function makeSource(given: unknown): Promise<import('../../../www/lib/index.js').ModelSource>;
/** The reads of the last `object`: offsets and lengths. */
declare var asked: [number, number][];
/** The signal of its last read. */
declare var lastSignal: AbortSignal;
/** The model of a test file that loads one for all its tests. */
declare var model: import('../../../www/lib/index.js').Gemma;
/** Unhandled rejections, as text. */
declare var unhandled: string[];
