// Hostile text of a model: whatever it looks like, the page shows it as text or as one of a few harmless elements.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { answered, send } from './support/app.js';
import { onStubbedPage } from './support/setup.js';
import { loadStub } from './support/stubbed-page.js';

const HOSTILE = `# Heading

<script>window.hacked = 1</script>

<img src=x onerror="window.hacked = 2"><svg onload="window.hacked = 3"><a xlink:href="javascript:window.hacked=4">x</a></svg>

Inline <b onclick="window.hacked = 5">bold</b> <iframe srcdoc="<script>parent.hacked=6</script>"></iframe> <style>body { display: none }</style>

[script](javascript:window.hacked=7) [mixed](JaVaScRiPt:window.hacked=8) [spaced](<java\tscript:window.hacked=9>) [data](data:text/html,<script>1</script>) [vb](vbscript:x)

![picture](https://tracker.example/pixel.png) ![quoted](x"onerror="window.hacked=10) <javascript:window.hacked=11>

[fine](https://example.org/) and [mail](mailto:a@example.org) and <https://example.org/auto>

| a | b |
| - | - |
| <script>window.hacked = 12</script> | \`<img src=x onerror=alert(1)>\` |

- [x] done
- [ ] <form action="https://evil.example"><input name=q><button>go</button></form>

\`\`\`html" onmouseover="window.hacked=13
<script>window.hacked = 14</script>
\`\`\`

<details open ontoggle="window.hacked = 15"><summary>x</summary></details><math><mtext></mtext><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=window.hacked=16 src=1>">

<div id="message" name="location">clobbered</div> <a id="app" name="body">clobbered</a>
${'>'.repeat(3000)} deep
`;

onStubbedPage({ text: HOSTILE, piece: 3, perTick: 20, loaded: false }, (tab) => {
  const look = (): Promise<{ hacked: unknown; tags: string[]; attributes: string[]; links: string[]; text: string }> =>
    tab.page.evaluate(() => {
      const all = [...document.querySelectorAll('.markdown, .markdown *')];
      return {
        hacked: (globalThis as { hacked?: unknown }).hacked ?? null,
        tags: [...new Set(all.map(({ tagName }) => tagName.toLowerCase()))],
        attributes: [...new Set(all.flatMap((element) => element.getAttributeNames()))],
        links: [...document.querySelectorAll('.markdown a')].map((link) => link.getAttribute('href') ?? ''),
        text: document.querySelector('.markdown')?.textContent ?? '',
      };
    });

  it('shows it as text and harmless elements, while it is written and afterwards', async () => {
    await loadStub(tab.page);
    await send(tab.page, 'Attack');
    await answered(tab.page);
    await tab.page.waitForSelector('.markdown .block');
    for (const round of ['written', 'kept']) {
      const { hacked, tags, attributes, links, text } = await look();
      assert.equal(hacked, null, round);
      const harmless = 'div p br strong em del code pre ul ol li blockquote h2 hr table thead tbody tr th td a figure figcaption span button'.split(' ');
      assert.deepEqual(tags.filter((tag) => !harmless.includes(tag)), [], round);
      assert.deepEqual(attributes.filter((name) => !['class', 'href', 'title', 'target', 'rel', 'type', 'tabindex', 'role', 'aria-label', 'aria-busy', 'start', 'align'].includes(name)), [], round);
      assert.deepEqual(links.filter((href) => !/^(?:https:\/\/example\.org\/|mailto:a@example\.org$)/.test(href) && href !== ''), [], round);
      assert.ok(links.length >= 3, String(links));
      assert.match(text, /<script>window\.hacked = 1<\/script>/, round);
      await tab.page.evaluate(() => document.querySelectorAll<HTMLElement>('.markdown *').forEach((element) => element.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))));
      // Stored conversations are rendered again.
      if (round === 'written') {
        await tab.page.reload({ waitUntil: 'load' });
        await tab.page.waitForSelector('.markdown .block');
      }
    }
  });

  it('opens links without telling them where from', async () => {
    const rels = await tab.page.$$eval('.markdown a[href]', (links) => links.map((link) => [link.getAttribute('rel'), link.getAttribute('target')].join(' ')));
    assert.deepEqual([...new Set(rels)], ['noopener noreferrer nofollow _blank']);
  });

  it('asks nobody for anything', () => {
    assert.deepEqual([...tab.origins].filter((origin) => origin !== 'null'), [tab.site.url]);
    assert.deepEqual(tab.problems, []);
  });
});
