// The sidebar: the conversations, and links to the rest of the page.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { busy } from '../state/answer.js';
import { current, erase, list, rename, search, startNew } from '../state/chats.js';
import type { Summary } from '../state/database.js';
import { loaded } from '../state/engine.js';
import { hrefOf, route } from '../state/route.js';
import { t } from '../strings.js';
import { Gem, Icon } from './icons.js';
import { Confirm, IconButton } from './components.js';
import { settingsOpen } from './settings.js';

const DAY = 86_400_000;

/** Conversations by the day of their last change. */
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

/** The conversations that a search finds; all of them without a search. */
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

const shownTitle = ({ title }: Summary): string => title || t.chat.untitled;

/** A field to change a title in its place: Enter and leaving the field save it, Esc does not. */
function Renaming({ summary, onDone }: { readonly summary: Summary; readonly onDone: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  // A field that is removed loses the focus too.
  const closed = useRef(false);
  useLayoutEffect(() => field.current?.select(), []);
  const leave = (): void => {
    closed.current = true;
    onDone();
  };
  const save = (): void => {
    if (closed.current) return;
    const title = field.current?.value.trim() ?? '';
    if (title !== '' && title !== summary.title) void rename(summary.id, title);
    leave();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.isComposing || (event.key !== 'Enter' && event.key !== 'Escape')) return;
    // In the drawer, Esc would close the drawer as well.
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Enter') save();
    else leave();
  };
  return <input ref={field} type="text" name="title" class="renaming" maxLength={120} defaultValue={summary.title} aria-label={t.chat.title} onKeyDown={key} onBlur={save} />;
}

export function Sidebar() {
  const [text, setText] = useState('');
  const [deleting, setDeleting] = useState<Summary | undefined>(undefined);
  const [renaming, setRenaming] = useState<string | undefined>(undefined);
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
        <input type="search" name="search" placeholder={t.chat.search} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div class="conversations">
        {found?.length === 0 && <p class="note">{text.trim() === '' ? t.chat.noneYet : t.chat.noneFound}</p>}
        {byDay(found ?? []).map(([day, some]) => (
          <section key={day} aria-label={day}>
            <h2>{day}</h2>
            <ul>
              {some.map((summary) => {
                const here = route.value.screen !== 'models' && current.value.id === summary.id;
                return renaming === summary.id ? (
                  <li key={summary.id}><Renaming summary={summary} onDone={() => setRenaming(undefined)} /></li>
                ) : (
                  <li key={summary.id} class={here ? 'here' : ''}>
                    <a href={hrefOf({ screen: 'chat', id: summary.id })} aria-current={here ? 'page' : undefined} title={summary.title}>{shownTitle(summary)}</a>
                    <IconButton icon="edit" label={`${t.rename}: ${shownTitle(summary)}`} disabled={busy.value} onClick={() => setRenaming(summary.id)} />
                    <IconButton icon="trash" label={`${t.remove}: ${shownTitle(summary)}`} disabled={busy.value} onClick={() => setDeleting(summary)} />
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
      <Confirm question={deleting && t.settings.deleteAsk(shownTitle(deleting))} onNo={() => setDeleting(undefined)}
        onYes={() => {
          if (deleting) void erase(deleting.id);
          setDeleting(undefined);
        }} />
    </nav>
  );
}
