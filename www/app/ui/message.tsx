// One turn of a conversation.

import { effect, signal } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Growing } from '../markdown.js';
import { answer, ask, busy, respond, streamed } from '../state/answer.js';
import { current, fork, update } from '../state/chats.js';
import { ready } from '../state/engine.js';
import { select, siblingsOf, type Turn } from '../state/tree.js';
import { t } from '../strings.js';
import { CopyButton, IconButton } from './components.js';

/** The part of an answer that screen readers announce while it is written: whole blocks, not letters. */
export const spoken = signal('');

/** An answer as Markdown. While it is written it bypasses Preact: a frame changes its last block only. */
function Answer({ text, writing }: { readonly text: string; readonly writing: boolean }) {
  const into = useRef<HTMLDivElement>(null);
  const growing = useRef<Growing | undefined>(undefined);
  useLayoutEffect(() => {
    if (!into.current) return undefined;
    const blocks = (growing.current ??= new Growing(into.current));
    if (!writing) return blocks.fill(text);
    return effect(() => {
      const finished = blocks.show(streamed.value);
      if (finished.trim() !== '') spoken.value = finished;
    });
  }, [writing, writing ? '' : text]);
  return <div class={`markdown ${writing ? 'streaming' : ''}`} ref={into} aria-busy={writing} />;
}

/** The state of an answer before its first word. */
export function Waiting() {
  const prefill = answer.value?.prefill;
  const text = prefill && prefill.total > 0 ? t.chat.readingPart(prefill.done, prefill.total) : t.chat.readingPrompt;
  return <p class="waiting"><span class="dots" aria-hidden="true"><i /><i /><i /></span>{text}</p>;
}

export const isWriting = ({ id }: Turn): boolean => answer.value?.turn === id;

export function Versions({ turn }: { readonly turn: Turn }) {
  const versions = siblingsOf(current.value, turn);
  if (versions.length < 2) return null;
  const at = versions.findIndex(({ id }) => id === turn.id);
  const show = (index: number): void => {
    const other = versions[index];
    if (other) void update(select(current.value, other));
  };
  return (
    <span class="versions">
      <IconButton icon="left" label={t.chat.previous} disabled={at === 0 || busy.value} onClick={() => show(at - 1)} />
      <span>{t.chat.version(at + 1, versions.length)}</span>
      <IconButton icon="right" label={t.chat.next} disabled={at === versions.length - 1 || busy.value} onClick={() => show(at + 1)} />
    </span>
  );
}

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 10_000 ? 2 : 0);
const ENDINGS = { cancelled: t.chat.stopped, length: t.chat.limit, failed: t.chat.failedTurn, interrupted: t.chat.interrupted, stop: '' };

export function Figures({ turn: { figures, ending, model } }: { readonly turn: Turn }) {
  const parts = figures
    ? [t.chat.speed(figures.tokensPerSecond.toFixed(1)), t.chat.first(seconds(figures.firstTokenMs)), t.chat.tokens(figures.completionTokens)]
    : [];
  if (figures && figures.completionTokens < 2) parts.shift();
  const why = ending ? ENDINGS[ending] : '';
  const more = [model ?? '', figures && figures.cachedTokens > 0 ? t.chat.reused(figures.cachedTokens) : ''].filter(Boolean).join(', ');
  return <p class="turn-figures" title={more}>{[...parts, why].filter(Boolean).map((part) => <span key={part}>{part}</span>)}</p>;
}

function Editor({ turn, onDone }: { readonly turn: Turn; readonly onDone: () => void }) {
  const [text, setText] = useState(turn.text);
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => area.current?.focus(), []);
  const send = (): void => {
    if (text.trim() === '') return;
    onDone();
    void ask(text, turn.parent);
  };
  const key = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === 'Escape') onDone();
    else if (event.key === 'Enter' && !event.shiftKey) send();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <form class="editor" onSubmit={(event) => (event.preventDefault(), send())}>
      <textarea ref={area} name="text" value={text} rows={Math.min(10, text.split('\n').length + 1)} aria-label={t.chat.edit}
        onInput={(event) => setText(event.currentTarget.value)} onKeyDown={key} />
      <div class="actions">
        <button type="button" class="plain small" onClick={onDone}>{t.cancel}</button>
        <button type="submit" class="primary small" disabled={!ready.value || busy.value}>{t.chat.editSend}</button>
      </div>
    </form>
  );
}

export function Message({ turn }: { readonly turn: Turn }) {
  const [editing, setEditing] = useState(false);
  const writing = isWriting(turn);
  const mine = turn.role === 'user';
  const able = ready.value && !busy.value;
  return (
    <article class={`turn ${turn.role}`} aria-label={mine ? t.chat.you : (turn.model ?? '')}>
      {editing && <Editor turn={turn} onDone={() => setEditing(false)} />}
      {!editing && mine && <div class="bubble">{turn.text}</div>}
      {writing && !answer.value?.writing && <Waiting />}
      {!mine && (!writing || answer.value?.writing) && <Answer text={turn.text} writing={writing} />}
      {!editing && !writing && (
        <div class="turn-foot">
          <div class="tools">
            <CopyButton text={() => turn.text} />
            {mine && <IconButton icon="edit" label={t.chat.edit} disabled={!able} onClick={() => setEditing(true)} />}
            {!mine && <IconButton icon="refresh" label={t.chat.regenerate} disabled={!able} onClick={() => void respond(current.value, turn.parent)} />}
            <IconButton icon="branch" label={t.chat.branch} disabled={busy.value} onClick={() => void fork(turn.id)} />
          </div>
          <Versions turn={turn} />
          {!mine && <Figures turn={turn} />}
        </div>
      )}
    </article>
  );
}
