// The choice of a model: those on this device, of this page's server, of the catalogue, and the reader's own.

import { useRef, useState } from 'preact/hooks';
import { CATALOGUE, SYNTHETIC } from '../catalogue.js';
import { megabytes } from '../format.js';
import { cachedModels, type Choice, choiceOf, fileOf, load, nameOf, offered, review } from '../state/engine.js';
import { t } from '../strings.js';
import { Icon } from './icons.js';

/** Reviews the model in these files; false if there is none. The files of one model are sorted by name, however they were picked. */
export function chooseFiles(list: Iterable<File>): boolean {
  const files = [...list].filter(({ name }) => name.toLowerCase().endsWith('.gguf')).sort((a, b) => (a.name < b.name ? -1 : 1));
  const [first] = files;
  if (!first) return false;
  void review({ name: nameOf(first.name), source: files, bytes: files.reduce((sum, { size }) => sum + size, 0) });
  return true;
}

interface CardProps {
  readonly name: string;
  readonly note: string;
  readonly more?: string | undefined;
  readonly size: string;
  readonly action: string;
  readonly onClick: () => void;
}

function Card({ name, note, more, size, action, onClick }: CardProps) {
  return (
    <button type="button" class="model-card" onClick={onClick}>
      <span class="model-name">{name}</span>
      <span class="model-size">{size}</span>
      <span class="model-note">{note}</span>
      <span class="model-note">{more}</span>
      <span class="model-action">{action}<Icon name="right" /></span>
    </button>
  );
}

function Group({ title, note, children }: { readonly title: string; readonly note?: preact.ComponentChildren; readonly children: preact.ComponentChildren }) {
  return (
    <section class="group">
      <h3>{title}</h3>
      {note && <p class="note">{note}</p>}
      <div class="cards">{children}</div>
    </section>
  );
}

function FromLink() {
  const [address, setAddress] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    const source = address.trim();
    if (source !== '') void review({ name: nameOf(fileOf(source)), source });
  };
  return (
    <form class="own" onSubmit={submit}>
      <label for="address"><Icon name="link" />{t.start.link}</label>
      <div class="field-row">
        <input id="address" type="text" inputMode="url" autoComplete="off" spellcheck={false} required value={address}
          placeholder={t.start.linkPlaceholder} aria-describedby="address-note" onInput={(event) => setAddress(event.currentTarget.value)} />
        <button type="submit" class="plain">{t.start.linkGo}</button>
      </div>
      <p class="note" id="address-note">{t.start.linkLabel}</p>
    </form>
  );
}

function FromFile() {
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState(false);
  return (
    <div class="own">
      <label for="file"><Icon name="file" />{t.start.file}</label>
      <input id="file" ref={input} type="file" accept=".gguf" multiple aria-describedby="file-note"
        onChange={(event) => setWrong(!chooseFiles(event.currentTarget.files ?? []))} />
      <p class="note" id="file-note">{wrong ? t.start.notGguf : t.start.fileNote}</p>
    </div>
  );
}

/** Links to the licences of the catalogue, each once. */
function Licences() {
  const all = [...new Set(CATALOGUE.map(({ licence }) => licence))];
  return all.map((licence) => <a key={licence} href={licence} target="_blank" rel="noopener noreferrer">{t.start.catalogueTerms}</a>);
}

export function Picker({ withCached }: { readonly withCached: boolean }) {
  const here = cachedModels.value ?? [];
  const isHere = (source: string): boolean => here.some(({ url, complete }) => complete && fileOf(url) === fileOf(source));
  const server = offered.value.filter(({ url }) => !isHere(url));
  const catalogue = CATALOGUE.filter(({ source }) => !isHere(source));
  return (
    <div class="picker">
      {withCached && here.length > 0 && (
        <Group title={t.start.here} note={t.start.hereNote}>
          {here.map((entry) => {
            const choice: Choice = choiceOf(entry);
            const size = megabytes(entry.size);
            return (
              <Card key={entry.id} name={choice.name} note={entry.complete ? fileOf(entry.url) : t.start.partly(megabytes(entry.stored), size)}
                size={size} action={entry.complete ? t.start.load : t.start.resume} onClick={() => void load(choice)} />
            );
          })}
        </Group>
      )}
      {server.length > 0 && (
        <Group title={t.start.server}>
          {server.map(({ name, url, bytes }) => (
            <Card key={url} name={nameOf(name)} note={name} size={megabytes(bytes)} action={t.start.load}
              onClick={() => void review({ name: nameOf(name), source: new URL(url, location.href).href, bytes })} />
          ))}
        </Group>
      )}
      <Group title={t.start.catalogue} note={<>{t.start.catalogueNote} <Licences /></>}>
        {catalogue.map(({ name, about, source, bytes, context, licence }) => (
          <Card key={source} name={name} note={about} more={t.start.context(context)} size={megabytes(bytes)} action={t.start.load}
            onClick={() => void review({ name, source, bytes, licence })} />
        ))}
      </Group>
      <section class="group">
        <h3>{t.start.own}</h3>
        <div class="owns"><FromLink /><FromFile /></div>
      </section>
      <details class="group synthetic">
        <summary>{t.start.synthetic}</summary>
        <p class="note">{t.start.syntheticNote} <a href="./bench.html">{t.start.measure}</a></p>
        <div class="chips">
          {SYNTHETIC.map(({ name, source }) => (
            <button type="button" class="chip" key={source} onClick={() => void review({ name: t.start.syntheticName(name), source })}>{name}</button>
          ))}
        </div>
      </details>
    </div>
  );
}
