// The settings, each with its effect in plain words.

import { signal } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';
import { busy } from '../state/answer.js';
import { current, eraseAll, update } from '../state/chats.js';
import { loaded } from '../state/engine.js';
import { type Sampling, set, settings, type Theme } from '../state/settings.js';
import { download, exportAll, fileName, importFile, toJson, toMarkdown } from '../state/import-export.js';
import { t } from '../strings.js';
import { Confirm, IconButton, Sheet } from './components.js';

export const settingsOpen = signal(false);

/** Values to show while no model is loaded: those of Gemma's model cards. */
const CARD: Sampling = { temperature: 1, topK: 64, topP: 0.95, minP: 0, repetitionPenalty: 1 };
const RANGES: Readonly<Record<keyof Sampling, readonly [min: number, max: number, step: number]>> = {
  temperature: [0, 2, 0.05],
  topK: [0, 256, 1],
  topP: [0.05, 1, 0.01],
  minP: [0, 0.5, 0.01],
  repetitionPenalty: [1, 1.5, 0.01],
};
const CONTEXTS = [1024, 2048, 4096, 8192, 16384, 32768];

interface SliderProps {
  readonly name: string;
  readonly note: string;
  readonly value: number;
  readonly range: readonly [number, number, number];
  readonly onChange: (value: number) => void;
}

function Slider({ name, note, value, range: [min, max, step], onChange }: SliderProps) {
  const id = `set-${name.toLowerCase().replace(/\W+/g, '-')}`;
  const change = ({ currentTarget }: { readonly currentTarget: HTMLInputElement }): void => {
    if (currentTarget.validity.valid && currentTarget.value !== '') onChange(currentTarget.valueAsNumber);
  };
  // The engine's values have single precision: 0.95 is 0.949999988.
  const shown = Number(value.toFixed(4));
  return (
    <div class="setting">
      <label for={id}>{name}</label>
      <input type="range" id={id} min={min} max={max} step={step} value={shown} onInput={change} aria-describedby={`${id}-note`} />
      <input type="number" name={id} min={min} max={max} step={step} value={shown} onChange={change} aria-label={name} />
      <p class="note" id={`${id}-note`}>{note}</p>
    </div>
  );
}

function Answers() {
  const { sampling, maxTokens, seed, contextLength } = settings.value;
  const own = loaded.value?.gemma.info.defaults ?? CARD;
  const most = loaded.value?.gemma.info.contextLength ?? 4096;
  const changed = Object.keys(sampling).length > 0;
  return (
    <section>
      <h3>{t.settings.answers}</h3>
      {(Object.keys(RANGES) as (keyof Sampling)[]).map((name) => (
        <Slider key={name} name={t.settings[name]} note={t.settings[`${name}Note`]} value={sampling[name] ?? own[name]} range={RANGES[name]}
          onChange={(value) => set({ sampling: { ...settings.value.sampling, [name]: value } })} />
      ))}
      <button type="button" class="plain small" disabled={!changed} onClick={() => set({ sampling: {} })}>{t.settings.reset}</button>
      <Slider name={t.settings.maxTokens} note={t.settings.maxTokensNote} value={Math.min(maxTokens, most)} range={[16, most, 16]} onChange={(value) => set({ maxTokens: value })} />
      <div class="setting">
        <label for="seed">{t.settings.seed}</label>
        <input id="seed" type="number" min={0} step={1} value={seed ?? ''} aria-describedby="seed-note"
          onChange={({ currentTarget }) => set({ seed: currentTarget.value === '' || !currentTarget.validity.valid ? null : currentTarget.valueAsNumber })} />
        <p class="note" id="seed-note">{t.settings.seedNote}</p>
      </div>
      <div class="setting">
        <label for="context-length">{t.settings.contextLength}</label>
        <select id="context-length" value={String(contextLength ?? '')} aria-describedby="context-note"
          onChange={({ currentTarget }) => set({ contextLength: currentTarget.value === '' ? null : Number(currentTarget.value) })}>
          <option value="">{t.settings.contextAuto}</option>
          {CONTEXTS.map((tokens) => <option key={tokens} value={tokens}>{t.settings.contextTokens(tokens)}</option>)}
        </select>
        <p class="note" id="context-note">{t.settings.contextLengthNote}</p>
      </div>
    </section>
  );
}

function ThisConversation() {
  const conversation = current.value;
  if (conversation.kind !== 'chat') return null;
  return (
    <section>
      <h3>{t.settings.conversation}</h3>
      <div class="setting wide">
        <label for="system">{t.settings.system}</label>
        <textarea id="system" rows={3} value={conversation.system} disabled={busy.value} aria-describedby="system-note"
          onChange={(event) => void update({ ...current.value, system: event.currentTarget.value })} />
        <p class="note" id="system-note">{t.settings.systemNote}</p>
        <label class="tick">
          <input type="checkbox" name="for-new" checked={conversation.system !== '' && settings.value.system === conversation.system}
            onChange={({ currentTarget }) => set({ system: currentTarget.checked ? current.value.system : '' })} />
          {t.settings.systemNew}
        </label>
      </div>
    </section>
  );
}

function Data() {
  const input = useRef<HTMLInputElement>(null);
  const [status, setStatus] = useState('');
  const [asking, setAsking] = useState(false);
  const conversation = current.value;
  const some = conversation.turns.length > 0;
  const take = (file: File | undefined): void => {
    if (!file) return;
    importFile(file).then((n) => setStatus(t.settings.imported(n)), (error: unknown) => setStatus(t.settings.importFailed(error instanceof Error ? error.message : String(error))));
  };
  return (
    <section>
      <h3>{t.settings.data}</h3>
      <p class="note">{t.settings.dataNote}</p>
      <div class="chips">
        <button type="button" class="plain small" onClick={() => void exportAll().then((json) => download('conversations.json', 'application/json', json))}>{t.settings.exportAll}</button>
        <button type="button" class="plain small" disabled={!some} onClick={() => download(fileName(conversation.title, 'json'), 'application/json', toJson([conversation]))}>{t.settings.exportJson}</button>
        <button type="button" class="plain small" disabled={!some} onClick={() => download(fileName(conversation.title, 'md'), 'text/markdown', toMarkdown(conversation))}>{t.settings.exportMarkdown}</button>
        <button type="button" class="plain small" onClick={() => input.current?.click()}>{t.settings.import}</button>
        <input ref={input} id="import" type="file" accept=".json,.md" hidden onChange={({ currentTarget }) => (take(currentTarget.files?.[0]), (currentTarget.value = ''))} />
        <button type="button" class="danger small" disabled={busy.value} onClick={() => setAsking(true)}>{t.settings.deleteAll}</button>
      </div>
      <p class="note" role="status">{status}</p>
      <Confirm question={asking ? t.settings.deleteAllAsk : undefined} onNo={() => setAsking(false)} onYes={() => (setAsking(false), void eraseAll())} />
    </section>
  );
}

export function SettingsSheet() {
  const close = (): void => void (settingsOpen.value = false);
  return (
    <Sheet open={settingsOpen.value} label={t.settings.heading} onClose={close} class="side">
      <header class="sheet-head"><h2>{t.settings.heading}</h2><IconButton icon="close" label={t.close} onClick={close} /></header>
      <ThisConversation />
      <Answers />
      <section>
        <h3>{t.settings.look}</h3>
        <div class="segments" role="radiogroup" aria-label={t.settings.look}>
          {(Object.keys(t.settings.themes) as Theme[]).map((theme) => (
            <label key={theme}>
              <input type="radio" name="theme" checked={settings.value.theme === theme} onChange={() => set({ theme })} />
              <span>{t.settings.themes[theme]}</span>
            </label>
          ))}
        </div>
      </section>
      <Data />
    </Sheet>
  );
}
