// The screen of a conversation: its turns, and the composer.

import { effect, signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { answer, busy, problem } from '../state/answer.js';
import { current } from '../state/chats.js';
import { loaded } from '../state/engine.js';
import { branchOf } from '../state/tree.js';
import { t } from '../strings.js';
import { Composer, draft } from './composer.js';
import { Gem, Icon } from './icons.js';
import { Message, spoken } from './message.js';
import { TextEditor } from './text-editor.js';

/** Distance from the end, in pixels, within which the view follows the text. */
const NEAR = 60;
const atEnd = signal(true);

function Empty() {
  const { kind } = current.value;
  const model = loaded.value;
  const heading = !model ? t.chat.emptyNoModel : kind === 'chat' ? t.chat.empty : t.chat.emptyText;
  const ideas = kind === 'chat' ? t.chat.ideas : t.chat.ideasText;
  return (
    <div class="empty">
      <Gem />
      <h1>{heading}</h1>
      {kind === 'text' && <p>{t.chat.emptyTextNote}</p>}
      {model && (
        <ul class="ideas">
          {ideas.map((text) => <li key={text}><button type="button" class="chip" onClick={() => void (draft.value = { text })}>{text}</button></li>)}
        </ul>
      )}
    </div>
  );
}

/** Scrolls with the text while the reader is at its end, and never elsewhere. */
function useFollowing(id: string) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const toEnd = (): void => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useLayoutEffect(() => {
    atEnd.value = true;
    toEnd();
  }, [id]);
  useEffect(() => {
    const [outer, inner] = [scroller.current, content.current];
    if (!outer || !inner) return undefined;
    // New text and late layout make the content grow.
    const observer = new ResizeObserver(() => atEnd.value && toEnd());
    observer.observe(inner);
    observer.observe(outer);
    let last = outer.scrollTop;
    const look = (): void => {
      const { scrollTop, scrollHeight, clientHeight } = outer;
      const near = scrollHeight - scrollTop - clientHeight < NEAR;
      // Only the reader scrolls up. Growing text moves the end away, which is no wish to stay.
      if (near) atEnd.value = true;
      else if (scrollTop < last - 2) atEnd.value = false;
      last = scrollTop;
    };
    outer.addEventListener('scroll', look, { passive: true });
    // After sending, the reader is at the end.
    const stop = effect(() => void (busy.value && !answer.value?.writing && ((atEnd.value = true), requestAnimationFrame(toEnd))));
    return () => {
      stop();
      observer.disconnect();
      outer.removeEventListener('scroll', look);
    };
  }, []);
  return { scroller, content, toEnd };
}

/** Copies the code of a block. The blocks bypass Preact, and so does this handler. */
function copyCode(event: MouseEvent): void {
  const button = (event.target as Element).closest<HTMLButtonElement>('.copy-code');
  const code = button?.closest('figure')?.querySelector('code')?.textContent;
  if (!button || code === undefined || code === null) return;
  void navigator.clipboard?.writeText(code).then(() => {
    button.textContent = t.chat.copied;
    setTimeout(() => void (button.textContent = t.chat.copy), 1600);
  }, () => undefined);
}

/** Announcements for screen readers. */
function Spoken() {
  const done = branchOf(current.value).at(-1)?.figures ? t.chat.answered : '';
  return <div class="visually-hidden" role="status" aria-live="polite">{busy.value ? spoken.value || t.chat.answering : done}</div>;
}

export function Chat() {
  const conversation = current.value;
  const branch = branchOf(conversation);
  const { scroller, content, toEnd } = useFollowing(conversation.id);
  return (
    <div class={`chat ${branch.length === 0 ? 'is-empty' : ''}`}>
      <div class="transcript" ref={scroller} tabIndex={0} role="region" aria-label={conversation.title || t.chat.newChat}>
        <div class="turns" ref={content} onClick={copyCode}>
          {branch.length === 0 ? <Empty /> : <h1 class="visually-hidden">{conversation.title || t.chat.untitled}</h1>}
          {conversation.kind === 'chat' && branch.map((turn) => <Message key={turn.id} turn={turn} />)}
          {conversation.kind === 'text' && branch.length > 0 && <TextEditor key={conversation.id} turns={branch} />}
          {problem.value?.message && <p class="problem" role="alert"><Icon name="warn" />{problem.value.message}</p>}
        </div>
      </div>
      <Spoken />
      <div class="dock">
        {!atEnd.value && (
          <button type="button" class="to-end" onClick={() => ((atEnd.value = true), toEnd())}><Icon name="down" /><span>{t.chat.toEnd}</span></button>
        )}
        <Composer />
      </div>
    </div>
  );
}
