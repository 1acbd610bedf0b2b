// The text of a base model: the reader and the model write it in turns, the reader changes it anywhere, and its tokens are counted as
// they come.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { answered, press, send, until, waitForText } from './support/app.js';
import { onStubbedPage } from './support/setup.js';

const MORE = ' there was a keeper of a light who counted the ships.';
const PIECE = 4;
/** Place at which the stand-in waits. */
const HELD = 32;

onStubbedPage({ text: MORE, piece: PIECE, hold: HELD, chat: false, loaded: true }, (tab) => {
  const prose = (): Promise<string> => tab.page.$eval('div.prose', (element) => element.textContent ?? '');

  it('counts the tokens of what is written exactly, as they come', async () => {
    await send(tab.page, 'Once');
    await until(tab.page, 'the text so far', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
    // The stand-in counts one token for four letters of a call, and one for each piece.
    const counted = Math.ceil(JSON.stringify({ text: 'Once' }).length / 4) + HELD / PIECE;
    await waitForText(tab.page, '.meter', new RegExp(`^${counted} / 4,096$`));
    await tab.page.keyboard.press('Escape');
    await answered(tab.page);
  });

  it('is changed anywhere: the old text stays as another version', async () => {
    await press(tab.page, /^Edit the text$/);
    await tab.page.waitForSelector('.text-editor textarea');
    assert.equal(await tab.page.$eval('.text-editor textarea', (area) => (area as HTMLTextAreaElement).value), `Once${MORE.slice(0, HELD)}`);
    await tab.page.$eval('.text-editor textarea', (area) => void ((area as HTMLTextAreaElement).value = 'Once, long ago,'));
    await tab.page.focus('.text-editor textarea');
    await tab.page.keyboard.down('Control');
    await tab.page.keyboard.press('Enter');
    await tab.page.keyboard.up('Control');
    await until(tab.page, 'the changed text', async () => (await prose()) === 'Once, long ago,');
    await waitForText(tab.page, '.versions', /2 \/ 2/);
    // The turn before the change stays the same.
    assert.deepEqual(await tab.page.$$eval('.prose span', (spans) => spans.map(({ className, textContent }) => `${className}: ${textContent}`)), ['given: Once', 'given: , long ago,']);
    await press(tab.page, /^Previous version/);
    await until(tab.page, 'the old text', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
  });

  it('Esc leaves the text as it was', async () => {
    await press(tab.page, /^Edit the text$/);
    await tab.page.waitForSelector('.text-editor textarea');
    await tab.page.$eval('.text-editor textarea', (area) => void ((area as HTMLTextAreaElement).value = 'Nothing of it'));
    await tab.page.focus('.text-editor textarea');
    await tab.page.keyboard.press('Escape');
    await until(tab.page, 'the text', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
    assert.deepEqual(tab.problems, []);
  });
});
