// The screen of the models: the loaded one, those stored on this device, and others to load.

import type { CacheEntry } from 'gemma-web';
import { cache } from 'gemma-web';
import { useEffect, useState } from 'preact/hooks';
import { failureOf } from '../failure.js';
import { megabytes } from '../format.js';
import { busy } from '../state/answer.js';
import { cachedModels, choiceOf, load, loaded, refreshCachedModels, stage, unload, verdict } from '../state/engine.js';
import { go } from '../state/route.js';
import { t } from '../strings.js';
import { Confirm } from './components.js';
import { LoadPanel } from './load-panel.js';
import { DeviceVerdict } from './start.js';

function LoadedModel() {
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

function CachedModel({ entry, onDelete }: { readonly entry: CacheEntry; readonly onDelete: () => void }) {
  const [status, setStatus] = useState('');
  const [checking, setChecking] = useState(false);
  const verify = async (): Promise<void> => {
    setChecking(true);
    try {
      const { chunks, damaged } = await cache.verify(entry.id);
      setStatus(damaged.length === 0 ? t.models.verified(chunks) : t.models.damaged(damaged.length));
      if (damaged.length > 0) await refreshCachedModels();
    } catch (error) {
      setStatus(failureOf(error)?.message ?? '');
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
        <p class="note" role="status">{checking ? t.models.verifying : status}</p>
      </div>
      <button type="button" class="primary small" disabled={busy.value} onClick={() => void load(choice)}>{entry.complete ? t.start.load : t.start.resume}</button>
      <button type="button" class="plain small" disabled={checking} onClick={() => void verify()}>{t.models.verify}</button>
      <button type="button" class="danger small" onClick={onDelete}>{t.remove}</button>
    </li>
  );
}

function CachedModels() {
  const [deleting, setDeleting] = useState<CacheEntry | undefined>(undefined);
  const [status, setStatus] = useState('');
  const entries = cachedModels.value ?? [];
  const storage = verdict.value?.storage;
  const remove = async ({ id }: CacheEntry): Promise<void> => {
    setDeleting(undefined);
    await cache.delete(id).then(() => setStatus(''), (error: unknown) => setStatus(failureOf(error)?.message ?? ''));
    await refreshCachedModels();
  };
  return (
    <section class="group" aria-labelledby="stored-heading">
      <h2 id="stored-heading">{t.models.stored}</h2>
      {entries.length === 0 ? <p class="note">{t.models.storedNone}</p> : (
        <ul class="rows">{entries.map((entry) => <CachedModel key={entry.id} entry={entry} onDelete={() => setDeleting(entry)} />)}</ul>
      )}
      <p class="note" role="status">{status}</p>
      {entries.length > 0 && (
        <p class="note">
          {t.models.used(megabytes(entries.reduce((sum, { stored }) => sum + stored, 0)), storage ? megabytes(storage.quota) : undefined)}
          {storage?.persisted && ` ${t.models.persisted}`}
        </p>
      )}
      <Confirm question={deleting && t.models.deleteAsk(choiceOf(deleting).name)} onNo={() => setDeleting(undefined)} onYes={() => void (deleting && remove(deleting))} />
    </section>
  );
}

export function Models() {
  useEffect(() => void refreshCachedModels(), []);
  if (stage.value.at !== 'choosing') return <div class="page"><LoadPanel /></div>;
  return (
    <div class="page models">
      <h1>{t.models.heading}</h1>
      <DeviceVerdict />
      <section class="group"><h2>{t.models.loaded}</h2><LoadedModel /></section>
      <CachedModels />
      <h2>{t.models.choose}</h2>
      <LoadPanel withCached={false} />
    </div>
  );
}
