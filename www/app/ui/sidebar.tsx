// The conversations, and the way to everything else.

import { useEffect, useState } from 'preact/hooks';
import { busy } from '../state/answer.js';
import { current, erase, list, search, startNew } from '../state/chats.js';
import type { Summary } from '../state/database.js';
import { loaded } from '../state/engine.js';
import { hrefOf, route } from '../state/route.js';
import { t } from '../strings.js';
import { Gem, Icon } from './icons.js';
import { Confirm, IconButton } from './parts.js';
import { settingsOpen } from './settings.js';

const DAY = 86_400_000;

/** Conversations under the days they were last changed on. */
function byDay(all: readonly Summary[]): (readonly [string, Summary[]])[] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const named = (at: number): string => (at >= midnight ? t.chat.today : at >= midnight - DAY ? t.chat.yesterday : t.chat.earlier);
  const groups = new Map<string, Summary[]>();
  for (const summary of all) {
    const name = named(summary.updated);
    groups.set(name, [...(groups.get(name) ?? []), summary]);
  }
  return [...groups];
}

/** What a search leaves; everything while nothing is searched for. */
function useFound(text: string): readonly Summary[] | undefined {
  const all = list.value;
  const [found, setFound] = useState<ReadonlySet<string> | undefined>(undefined);
  useEffect(() => {
    if (text.trim() === '') return setFound(undefined);
    const timer = setTimeout(() => void search(text.trim()).then(setFound), 120);
    return () => clearTimeout(timer);
  }, [text, all]);
  return found && text.trim() !== '' ? all?.filter(({ id }) => found.has(id)) : all;
}

export function Sidebar() {
  const [text, setText] = useState('');
  const [leaving, setLeaving] = useState<Summary | undefined>(undefined);
  const found = useFound(text);
  const model = loaded.value;
  const base = model !== undefined && !model.gemma.info.chat;
  return (
    <nav class="sidebar" aria-label={t.chat.conversations}>
      <div class="brand"><Gem /><span>gemma-web</span></div>
      <button type="button" class="new" onClick={() => startNew(base ? 'text' : 'chat')}><Icon name="plus" />{base ? t.chat.newText : t.chat.newChat}</button>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t.chat.search}</span>
        <input type="search" placeholder={t.chat.search} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div class="conversations">
        {found?.length === 0 && <p class="note">{text.trim() === '' ? t.chat.noneYet : t.chat.noneFound}</p>}
        {byDay(found ?? []).map(([day, some]) => (
          <section key={day} aria-label={day}>
            <h2>{day}</h2>
            <ul>
              {some.map((summary) => {
                const here = route.value.screen !== 'models' && current.value.id === summary.id;
                return (
                  <li key={summary.id} class={here ? 'here' : ''}>
                    <a href={hrefOf({ screen: 'chat', id: summary.id })} aria-current={here ? 'page' : undefined}>{summary.title || t.chat.untitled}</a>
                    <IconButton icon="trash" label={`${t.remove}: ${summary.title || t.chat.untitled}`} disabled={busy.value} onClick={() => setLeaving(summary)} />
                  </li>
                );
              })}
            </ul>
          </section>
        ))}
      </div>
      <div class="sidebar-foot">
        <a href={hrefOf({ screen: 'models' })} aria-current={route.value.screen === 'models' ? 'page' : undefined}>
          <Icon name="model" /><span class="grow">{t.models.heading}</span>
          {model && <span class="tag">{model.choice.name}</span>}
        </a>
        <a href="./bench.html"><Icon name="gauge" />{t.start.measure}</a>
        <button type="button" class="row-button" onClick={() => void (settingsOpen.value = true)}><Icon name="settings" />{t.settings.heading}</button>
        <p class="privacy"><Icon name="lock" />{t.privacy}</p>
      </div>
      <Confirm question={leaving && t.settings.deleteAsk(leaving.title || t.chat.untitled)} onNo={() => setLeaving(undefined)}
        onYes={() => {
          if (leaving) void erase(leaving.id);
          setLeaving(undefined);
        }} />
    </nav>
  );
}
