// The composer: a field that grows, and one button that sends or stops.

import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask, busy, respond, stop } from '../state/answer.js';
import { current } from '../state/chats.js';
import { loaded } from '../state/engine.js';
import { t } from '../strings.js';
import { Icon } from './icons.js';
import { ContextMeter } from './context-meter.js';
import { IconButton } from './components.js';
import { settingsOpen } from './settings.js';
import { ComposerNotice } from './composer-notice.js';

/** A text to put into the field; set by the ideas of an empty conversation. */
export const draft = signal<{ readonly text: string } | undefined>(undefined);

function grow(area: HTMLTextAreaElement): void {
  area.style.height = 'auto';
  area.style.height = `${Math.min(area.scrollHeight, window.innerHeight * 0.4)}px`;
}

export function Composer() {
  const { kind, turns, leaf } = current.value;
  const [text, setText] = useState('');
  const area = useRef<HTMLTextAreaElement>(null);
  const model = loaded.value?.gemma.info;
  const mismatch = kind === 'chat' && model !== undefined && !model.chat;
  const begun = turns.length > 0;
  const continues = kind === 'text' && begun && text === '';
  const unanswered = kind === 'chat' && text.trim() === '' && turns.find(({ id }) => id === leaf)?.role === 'user';
  const able = model !== undefined && !mismatch && !busy.value && (continues || unanswered || text.trim() !== '');

  useLayoutEffect(() => void (area.current && grow(area.current)), [text]);
  useEffect(() => {
    if (!draft.value) return;
    setText(draft.value.text);
    draft.value = undefined;
    area.current?.focus();
  }, [draft.value]);
  // Only with a mouse: on a phone the keyboard would cover the page.
  useEffect(() => void (model && matchMedia('(hover: hover)').matches && area.current?.focus()), [model, current.value.id]);

  const submit = (): void => {
    if (!able) return;
    setText('');
    void (continues || unanswered ? respond(current.value, leaf) : ask(text));
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  if (!model || mismatch) return <ComposerNotice />;
  const placeholder = kind === 'chat' ? t.chat.placeholder : begun ? t.chat.placeholderMore : t.chat.placeholderText;
  return (
    <form class="composer" onSubmit={(event) => (event.preventDefault(), submit())}>
      <textarea ref={area} id="message" rows={1} value={text} placeholder={placeholder} aria-describedby="keys"
        aria-label={kind === 'chat' ? t.chat.message : t.chat.beginning} enterkeyhint="send"
        onInput={(event) => setText(event.currentTarget.value)} onKeyDown={key} />
      <div class="composer-foot">
        <IconButton icon="settings" label={t.settings.heading} onClick={() => void (settingsOpen.value = true)} />
        <ContextMeter />
        <span class="keys" id="keys">{t.chat.keys}</span>
        {busy.value ? (
          <button type="button" class="send stop" aria-label={t.chat.stop} title={t.chat.stop} onClick={stop}><Icon name="stop" /></button>
        ) : (
          <button type="submit" class="send" disabled={!able} aria-label={continues ? t.chat.continue : t.chat.send} title={continues ? t.chat.continue : t.chat.send}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
