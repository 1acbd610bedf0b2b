// Errors of the public API: a stable code for each fault, in both browsers.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Page } from 'puppeteer-core';
import { openPage } from './support/browsers.js';
import { brokenFiles } from './support/broken-files.js';
import { onTestPage } from './support/setup.js';
import { startSite, TINY, tinyModels } from './support/site.js';
import type { GemmaError } from '../../www/lib/index.js';
import type { ServerOptions } from '../../www/tools/serve.mjs';

const MODEL = 'tiny-gemma1-q4_0.gguf';

/** The error that a call threw, as plain data. */
interface Thrown {
  readonly name: string;
  readonly code: unknown;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly isGemmaError: boolean;
}

/** Loads a model in the page, which must fail, and tells how. */
function failedLoad(page: Page, url: string, options: Record<string, unknown> = {}): Promise<Thrown> {
  return page.evaluate(
    async (address, given) => {
      try {
        const model = await gemmaWeb.loadGemma(address, given);
        model.dispose();
      } catch (error) {
        const { name, code, message, details } = error as Partial<GemmaError> & Error;
        return { name, code, message, details: details ?? {}, isGemmaError: error instanceof gemmaWeb.GemmaError };
      }
      throw new Error('the model was loaded');
    },
    url,
    options,
  );
}

const sound = join(TINY, MODEL);
const broken = brokenFiles(sound);
const half = broken.find(({ name }) => name === 'half.gguf')?.bytes ?? Buffer.alloc(0);

const misbehave: ServerOptions['intercept'] = (request, response) => {
  const name = request.url?.replace('/models/', '');
  const file = broken.find((candidate) => candidate.name === name);
  if (file) {
    response.writeHead(200, { 'Content-Length': file.bytes.length }).end(file.bytes);
  } else if (name === 'breaks-off.gguf') {
    response.writeHead(200, { 'Content-Length': half.length * 2 });
    response.write(half, () => response.destroy());
  } else if (name === 'chunked-half.gguf') {
    response.writeHead(200).end(half);
  } else {
    return false;
  }
  return true;
};

onTestPage({ models: tinyModels, intercept: misbehave, problems: true }, (tab) => {
  describe('files', () => {
    for (const { name, code, details } of broken) {
      it(`${name}: ${code}`, async () => {
        const thrown = await failedLoad(tab.page, `${tab.site.url}/models/${name}`);
        assert.equal(thrown.code, code, thrown.message);
        assert.ok(thrown.isGemmaError);
        assert.equal(thrown.name, 'GemmaError');
        for (const [key, value] of Object.entries(details)) assert.deepEqual(thrown.details[key], value, thrown.message);
      });
    }
    it('a body of unknown length that ends too early: truncated', async () => {
      const thrown = await failedLoad(tab.page, `${tab.site.url}/models/chunked-half.gguf`);
      assert.equal(thrown.code, 'truncated', thrown.message);
    });
  });

  describe('network', () => {
    it('404: http with the status', async () => {
      const thrown = await failedLoad(tab.page, `${tab.site.url}/models/nowhere.gguf`);
      assert.equal(thrown.code, 'http');
      assert.equal(thrown.details['status'], 404);
      assert.equal(thrown.details['url'], `${tab.site.url}/models/nowhere.gguf`);
    });
    it('nobody listening: network', async () => {
      const gone = await startSite({});
      await gone.close();
      assert.equal((await failedLoad(tab.page, `${gone.url}/models/x.gguf`)).code, 'network');
    });
    it('a connection that breaks off: network or truncated', async () => {
      const thrown = await failedLoad(tab.page, `${tab.site.url}/models/breaks-off.gguf`);
      assert.match(String(thrown.code), /^(network|truncated)$/, thrown.message);
    });
    it('an address that is none: invalid_option', async () => {
      const thrown = await failedLoad(tab.page, 'http://');
      assert.equal(thrown.code, 'invalid_option');
      assert.equal(thrown.details['option'], 'source');
    });
  });

  describe('options', () => {
    const loads: [Record<string, unknown>, string][] = [
      [{ contextLength: 'long' }, 'contextLength'],
      [{ contextLength: -1 }, 'contextLength'],
      [{ kv: 'f8' }, 'kv'],
      [{ contextlength: 512 }, 'contextlength'],
    ];
    for (const [options, name] of loads) {
      it(`loadGemma ${JSON.stringify(options)}: invalid_option naming ${name}`, async () => {
        const thrown = await failedLoad(tab.page, tab.url(MODEL), options);
        assert.equal(thrown.code, 'invalid_option', thrown.message);
        assert.equal(thrown.details['option'], name);
        assert.ok(thrown.details['expected']);
      });
    }

    it('generate: invalid_option naming the option, and the model goes on', async () => {
      const outcome = await tab.page.evaluate(async (url) => {
        const model = await gemmaWeb.loadGemma(url);
        const bad = [
          { temperature: 'hot' },
          { temperature: -1 },
          { topP: 2 },
          { minP: -0.1 },
          { repetitionPenalty: 0 },
          { frequencyPenalty: 3 },
          { presencePenalty: '1' },
          { logitBias: 5 },
          { logitBias: { x: 1 } },
          { logitBias: { 5: 'x' } },
          { logitBias: { 5: 1000 } },
          { logitBias: { 999999: 1 } },
          { topK: 1.5 },
          { maxTokens: Number.NaN },
          { seed: -1 },
          { maxtokens: 3 },
        ] as const;
        const seen: [string, unknown, unknown][] = [];
        for (const options of bad) {
          const name = Object.keys(options)[0] ?? '';
          try {
            await model.generate('a', options as object);
            seen.push([name, 'accepted', undefined]);
          } catch (error) {
            const { code, details } = error as GemmaError;
            seen.push([name, code, details['option']]);
          }
        }
        for (const prompt of [5, null, { text: 'a' }, [1.5], [-1], [1e9]]) {
          try {
            await model.generate(prompt as never, { maxTokens: 1 });
            seen.push([`prompt ${JSON.stringify(prompt)}`, 'accepted', undefined]);
          } catch (error) {
            const { code, details } = error as GemmaError;
            seen.push([code === 'invalid_option' ? String(details['option']) : JSON.stringify(prompt), code, details['option']]);
          }
        }
        const { tokens } = await model.generate([2, 10], { maxTokens: 2, temperature: 0 });
        model.dispose();
        return { seen, tokens: tokens.length };
      }, tab.url(MODEL));
      assert.equal(outcome.seen.length, 22);
      for (const [name, code, option] of outcome.seen) assert.deepEqual([code, option], ['invalid_option', name], name);
      assert.equal(outcome.tokens, 2);
    });
  });

  describe('without WebGPU', () => {
    it('no_webgpu', async () => {
      const bare = await tab.start(false);
      const opened = await openPage(bare, `${tab.site.url}/test/`);
      const thrown = await failedLoad(opened.page, tab.url(MODEL));
      assert.equal(thrown.code, 'no_webgpu', thrown.message);
    });
  });
});
