// Markdown of a model as harmless elements: no HTML of its own, no images, and links to the web and to mail only.

import createDOMPurify from 'dompurify';
import { Lexer, Marked, type Token, type Tokens } from 'marked';
import { whenIdle } from './idle-work.js';
import { t } from './strings.js';

const escape = (text: string): string => text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    // HTML in the model's text stays text.
    html: ({ text }) => escape(text),
    // A model's text never makes the page fetch anything.
    image: ({ text, href }) => escape(text || href),
    // All headings have one rank, below the page's own: models begin with any rank.
    heading({ tokens, depth }) {
      return `<h2 class="rank-${depth}">${this.parser.parseInline(tokens)}</h2>`;
    },
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
});

const purify = createDOMPurify(window);
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer nofollow');
});

const ALLOWED = {
  ALLOWED_TAGS: 'p br strong em del code pre ul ol li blockquote h2 hr table thead tbody tr th td a'.split(' '),
  ALLOWED_ATTR: ['href', 'start', 'class', 'title', 'align'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
};

/** The blocks of a text: paragraphs, lists, code, and the space between them. Their `raw` together is the text. */
function blocksOf(text: string): Token[] {
  try {
    return new Lexer(marked.defaults).lex(text);
  } catch {
    // Nested too deeply for the parser.
    return [{ type: 'text', raw: text, text } satisfies Tokens.Text];
  }
}

/** A block as elements. */
function render(block: Token): HTMLElement {
  const element = document.createElement('div');
  element.className = 'block';
  if (block.type === 'code') element.append(codeBlock(block as Tokens.Code));
  else element.append(purify.sanitize(htmlOf(block), ALLOWED));
  for (const table of element.querySelectorAll('table')) table.replaceWith(scrolling(table.cloneNode(true)));
  return element;
}

function htmlOf(block: Token): string {
  try {
    return block.type === 'html' || block.type === 'text' ? `<p>${escape(block.raw)}</p>` : marked.parser([block]);
  } catch {
    return `<p>${escape(block.raw)}</p>`;
  }
}

/** A scrolling frame for a wide table, which the keyboard reaches too. */
function scrolling(table: Node): HTMLElement {
  const scroll = document.createElement('div');
  scroll.className = 'scroll';
  scroll.tabIndex = 0;
  scroll.role = 'region';
  scroll.ariaLabel = t.chat.table;
  scroll.append(table);
  return scroll;
}

/** A code block, made by hand: its text may be long, and plain text needs no sanitizing. */
function codeBlock({ text, lang }: Tokens.Code): HTMLElement {
  const figure = document.createElement('figure');
  figure.className = 'code';
  const head = document.createElement('figcaption');
  const name = document.createElement('span');
  name.textContent = /^[\w+#.-]{1,20}/.exec(lang ?? '')?.[0] ?? t.chat.code;
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.className = 'quiet small copy-code';
  copy.textContent = t.chat.copy;
  head.append(name, copy);
  const pre = document.createElement('pre');
  pre.tabIndex = 0;
  pre.role = 'region';
  pre.ariaLabel = t.chat.code;
  const code = document.createElement('code');
  code.textContent = text;
  pre.append(code);
  figure.append(head, pre);
  return figure;
}

/** Blocks that are converted in one step: few enough to take a moment only. */
const BLOCKS_A_STEP = 8;

/** A growing text in an element: finished blocks stay, and only the last one is made again. */
export class Growing {
  /** Length of the text in finished blocks. */
  #done = 0;
  #open: HTMLElement | undefined;
  #text = '';
  readonly #into: HTMLElement;

  constructor(into: HTMLElement) {
    this.#into = into;
  }

  /** Shows a text, which usually begins with the previous one. Returns the part that was finished since. */
  show(given: string): string {
    // The lexer does the same. This way its lengths are those of this text.
    const text = given.replace(/\r\n|\r/g, '\n');
    if (text === this.#text) return '';
    if (!text.startsWith(this.#text)) this.#clear();
    this.#text = text;
    const blocks = blocksOf(text.slice(this.#done));
    // A block is done when another one follows: the last one may continue, even after an empty line.
    const last = blocks.findLastIndex(({ type }) => type !== 'space');
    const finished = blocks.slice(0, Math.max(last, 0)).map(({ raw }) => raw).join('');
    const made = blocks.filter(({ type }) => type !== 'space').map(render);
    this.#open?.remove();
    this.#into.append(...made);
    this.#open = made.at(-1);
    this.#done += finished.length;
    return finished;
  }

  /**
   * Shows a text that is complete. A long one is converted a few blocks at a time, and stands there as plain text until then. The function
   * that it returns cancels the conversion.
   */
  fill(text: string): () => void {
    if (this.#text !== '' && text.startsWith(this.#text)) {
      this.show(text);
      return () => undefined;
    }
    this.#clear();
    this.#into.textContent = text;
    this.#into.classList.add('raw');
    let blocks: Token[] | undefined;
    const made: HTMLElement[] = [];
    const step = (): void => {
      blocks ??= blocksOf(text.replace(/\r\n|\r/g, '\n')).filter(({ type }) => type !== 'space');
      for (const block of blocks.splice(0, BLOCKS_A_STEP)) made.push(render(block));
      if (blocks.length > 0) {
        cancel = whenIdle(step);
        return;
      }
      this.#into.classList.remove('raw');
      this.#into.replaceChildren(...made);
    };
    let cancel = whenIdle(step);
    return () => cancel();
  }

  #clear(): void {
    this.#into.replaceChildren();
    this.#done = 0;
    this.#open = undefined;
    this.#text = '';
  }
}
