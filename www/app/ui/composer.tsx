// Where the reader writes: a field that grows, and one button that sends or stops.

import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { busy, respond, say, stop } from '../state/answer.js';
import { current } from '../state/chats.js';
import { loaded } from '../state/engine.js';
import { t } from '../strings.js';
import { Icon } from './icons.js';
import { Meter } from './context-meter.js';
import { IconButton } from './parts.js';
import { settingsOpen } from './settings.js';
import { Unready } from './composer-notice.js';

/** What is to stand in the field: set by ideas and by keys elsewhere. */
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
  const goesOn = kind === 'text' && begun && text === '';
  const unanswered = kind === 'chat' && text.trim() === '' && turns.find(({ id }) => id === leaf)?.role === 'user';
  const able = model !== undefined && !mismatch && !busy.value && (goesOn || unanswered || text.trim() !== '');

  useLayoutEffect(() => void (area.current && grow(area.current)), [text]);
  useEffect(() => {
    if (!draft.value) return;
    setText(draft.value.text);
    draft.value = undefined;
    area.current?.focus();
  }, [draft.value]);
  // Ready to write, where no keyboard jumps up for it.
  useEffect(() => void (model && matchMedia('(hover: hover)').matches && area.current?.focus()), [model, current.value.id]);

  const submit = (): void => {
    if (!able) return;
    setText('');
    void (goesOn || unanswered ? respond(current.value, leaf) : say(text));
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  if (!model || mismatch) return <Unready />;
  const placeholder = kind === 'chat' ? t.chat.placeholder : begun ? t.chat.placeholderMore : t.chat.placeholderText;
  return (
    <form class="composer" onSubmit={(event) => (event.preventDefault(), submit())}>
      <textarea ref={area} id="message" rows={1} value={text} placeholder={placeholder} aria-describedby="keys"
        aria-label={kind === 'chat' ? t.chat.message : t.chat.beginning} enterkeyhint="send"
        onInput={(event) => setText(event.currentTarget.value)} onKeyDown={key} />
      <div class="composer-foot">
        <IconButton icon="settings" label={t.settings.heading} onClick={() => void (settingsOpen.value = true)} />
        <Meter />
        <span class="keys" id="keys">{t.chat.keys}</span>
        {busy.value ? (
          <button type="button" class="send stop" aria-label={t.chat.stop} title={t.chat.stop} onClick={stop}><Icon name="stop" /></button>
        ) : (
          <button type="submit" class="send" disabled={!able} aria-label={goesOn ? t.chat.goOn : t.chat.send} title={goesOn ? t.chat.goOn : t.chat.send}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
