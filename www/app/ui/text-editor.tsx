// The text of a base model: the reader and the model write it in turns.

import { effect } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { answer, busy, respond, streamed } from '../state/answer.js';
import { current, fork, update } from '../state/chats.js';
import { ready } from '../state/engine.js';
import { rewrite, type Turn } from '../state/tree.js';
import { t } from '../strings.js';
import { Figures, isWriting, Versions, Waiting } from './message.js';
import { CopyButton, IconButton } from './components.js';

const wholeOf = (turns: readonly Turn[]): string => turns.map(({ text }) => text).join('');

/** The text that is being written, without Markdown. */
function Streaming() {
  const into = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const text = into.current?.appendChild(document.createTextNode(''));
    return text && effect(() => text.appendData(streamed.value.slice(text.length)));
  }, []);
  return <span ref={into} class="generated streaming" aria-busy="true" />;
}

/** The whole text in a field. */
function Editor({ text, onDone }: { readonly text: string; readonly onDone: () => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
    area.current?.scrollTo(0, area.current.scrollHeight);
  }, []);
  const save = (): void => {
    const changed = area.current?.value ?? '';
    if (changed.trim() === '') return;
    onDone();
    void update(rewrite(current.value, changed));
  };
  const key = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === 'Escape') onDone();
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <form class="editor" onSubmit={(event) => (event.preventDefault(), save())}>
      <textarea ref={area} name="text" class="prose" defaultValue={text} aria-label={t.chat.editText} aria-describedby="edit-text-note" onKeyDown={key} />
      <p class="note" id="edit-text-note">{t.chat.editTextNote}</p>
      <div class="actions">
        <button type="button" class="plain small" onClick={onDone}>{t.cancel}</button>
        <button type="submit" class="primary small">{t.save}</button>
      </div>
    </form>
  );
}

function Foot({ turns, last, onEdit }: { readonly turns: readonly Turn[]; readonly last: Turn; readonly onEdit: () => void }) {
  const answered = last.role === 'assistant';
  return (
    <div class="turn-foot">
      <div class="tools">
        <CopyButton text={() => wholeOf(turns)} />
        <IconButton icon="edit" label={t.chat.editText} disabled={busy.value} onClick={onEdit} />
        {answered && <IconButton icon="refresh" label={t.chat.regenerate} disabled={!ready.value || busy.value} onClick={() => void respond(current.value, last.parent)} />}
        <IconButton icon="branch" label={t.chat.branch} disabled={busy.value} onClick={() => void fork(last.id)} />
      </div>
      <Versions turn={last} />
      {answered && <Figures turn={last} />}
    </div>
  );
}

export function TextEditor({ turns }: { readonly turns: readonly Turn[] }) {
  const [editing, setEditing] = useState(false);
  const last = turns.at(-1);
  if (editing) return <article class="text-editor" aria-label={t.chat.beginning}><Editor text={wholeOf(turns)} onDone={() => setEditing(false)} /></article>;
  return (
    <article class="text-editor" aria-label={t.chat.beginning}>
      <div class="prose">
        {turns.map((turn) => {
          if (isWriting(turn)) return answer.value?.writing ? <Streaming key={turn.id} /> : <Waiting key={turn.id} />;
          return <span key={turn.id} class={turn.role === 'assistant' ? 'generated' : 'given'}>{turn.text}</span>;
        })}
      </div>
      {last && !isWriting(last) && <Foot turns={turns} last={last} onEdit={() => setEditing(true)} />}
    </article>
  );
}
