// Models: what is loaded, what is kept, and what else there is.

import type { CacheEntry } from 'gemma-web';
import { cache } from 'gemma-web';
import { useEffect, useState } from 'preact/hooks';
import { megabytes } from '../format.js';
import { busy } from '../state/answer.js';
import { choiceOf, failureOf, kept, load, loaded, refreshKept, stage, unload, verdict } from '../state/engine.js';
import { go } from '../state/route.js';
import { t } from '../strings.js';
import { Confirm } from './parts.js';
import { StagePanel } from './load-panel.js';
import { Verdict } from './start.js';

function Now() {
  const model = loaded.value;
  if (!model) return <p class="note">{t.models.none}</p>;
  const { quantisation, contextLength, gpuBytes, adapter } = model.gemma.info;
  const memory = megabytes(gpuBytes.weights + gpuBytes.kv + gpuBytes.scratch);
  return (
    <div class="row-card">
      <div class="grow">
        <strong>{model.choice.name}</strong>
        <p class="note">{t.models.info(quantisation, contextLength, memory)}{adapter.name && `, ${adapter.name}`}</p>
      </div>
      <button type="button" class="plain small" onClick={() => go({ screen: 'home' })}>{t.models.back}</button>
      <button type="button" class="plain small" disabled={busy.value} onClick={unload}>{t.models.unload}</button>
    </div>
  );
}

function Entry({ entry, onDelete }: { readonly entry: CacheEntry; readonly onDelete: () => void }) {
  const [said, setSaid] = useState('');
  const [checking, setChecking] = useState(false);
  const verify = async (): Promise<void> => {
    setChecking(true);
    try {
      const { chunks, damaged } = await cache.verify(entry.id);
      setSaid(damaged.length === 0 ? t.models.verified(chunks) : t.models.damaged(damaged.length));
      if (damaged.length > 0) await refreshKept();
    } catch (error) {
      setSaid(failureOf(error)?.message ?? '');
    } finally {
      setChecking(false);
    }
  };
  const choice = choiceOf(entry);
  const size = entry.complete ? `${megabytes(entry.size)}, ${t.models.complete}` : t.start.partly(megabytes(entry.stored), megabytes(entry.size));
  return (
    <li class="row-card">
      <div class="grow">
        <strong>{choice.name}</strong>
        <p class="note">{size}</p>
        <p class="note address">{entry.url}</p>
        <p class="note" role="status">{checking ? t.models.verifying : said}</p>
      </div>
      <button type="button" class="primary small" disabled={busy.value} onClick={() => void load(choice)}>{entry.complete ? t.start.load : t.start.resume}</button>
      <button type="button" class="plain small" disabled={checking} onClick={() => void verify()}>{t.models.verify}</button>
      <button type="button" class="danger small" onClick={onDelete}>{t.remove}</button>
    </li>
  );
}

function Kept() {
  const [leaving, setLeaving] = useState<CacheEntry | undefined>(undefined);
  const [said, setSaid] = useState('');
  const entries = kept.value ?? [];
  const storage = verdict.value?.storage;
  const remove = async ({ id }: CacheEntry): Promise<void> => {
    setLeaving(undefined);
    await cache.delete(id).then(() => setSaid(''), (error: unknown) => setSaid(failureOf(error)?.message ?? ''));
    await refreshKept();
  };
  return (
    <section class="group" aria-labelledby="kept-heading">
      <h2 id="kept-heading">{t.models.kept}</h2>
      {entries.length === 0 ? <p class="note">{t.models.keptNone}</p> : (
        <ul class="rows">{entries.map((entry) => <Entry key={entry.id} entry={entry} onDelete={() => setLeaving(entry)} />)}</ul>
      )}
      <p class="note" role="status">{said}</p>
      {entries.length > 0 && (
        <p class="note">
          {t.models.used(megabytes(entries.reduce((sum, { stored }) => sum + stored, 0)), storage ? megabytes(storage.quota) : undefined)}
          {storage?.persisted && ` ${t.models.persisted}`}
        </p>
      )}
      <Confirm question={leaving && t.models.deleteAsk(choiceOf(leaving).name)} onNo={() => setLeaving(undefined)} onYes={() => void (leaving && remove(leaving))} />
    </section>
  );
}

export function Models() {
  useEffect(() => void refreshKept(), []);
  if (stage.value.at !== 'choosing') return <div class="page"><StagePanel /></div>;
  return (
    <div class="page models">
      <h1>{t.models.heading}</h1>
      <Verdict />
      <section class="group"><h2>{t.models.now}</h2><Now /></section>
      <Kept />
      <h2>{t.models.choose}</h2>
      <StagePanel withKept={false} />
    </div>
  );
}
