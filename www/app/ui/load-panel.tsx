// The panel of a model that is being loaded: the choice, its needs, the progress, the failure.

import type { Inspection, LoadProgress } from 'gemma-web';
import { useEffect, useRef } from 'preact/hooks';
import type { Failure } from '../failure.js';
import { megabytes } from '../format.js';
import { figuresOf, phaseOf } from '../load-progress.js';
import { cachedModels, cancel, type Choice, fileOf, load, review, stage } from '../state/engine.js';
import { t } from '../strings.js';
import { Gem, Icon } from './icons.js';
import { Picker } from './picker.js';

function Facts({ facts }: { readonly facts: readonly (readonly [string, string])[] }) {
  return <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

interface Judgement {
  readonly good: boolean;
  readonly title: string;
  readonly why: string;
}

function judge({ memory, storage, fileBytes, adapter }: Inspection, download: boolean): Judgement {
  const { verdict } = memory;
  if (!adapter) return { good: false, title: t.review.noAdapter, why: '' };
  if (verdict.kind === 'does_not_fit') {
    return { good: false, title: t.review.doesNotFit, why: t.review.doesNotFitWhy(megabytes(verdict.needs), megabytes(verdict.offers)) };
  }
  if (download && storage && fileBytes !== null && storage.quota - storage.usage < fileBytes) return { good: false, title: t.review.noRoom, why: '' };
  const title = verdict.kind === 'fits_with_context' ? t.review.fitsLess(verdict.maxContextLength) : t.review.fits;
  return { good: true, title, why: t.review.memoryNote };
}

function Review({ choice, inspection }: { readonly choice: Choice; readonly inspection: Inspection }) {
  const button = useRef<HTMLButtonElement>(null);
  // Without scrolling: on a phone the button is far below the verdict.
  useEffect(() => button.current?.focus({ preventScroll: true }), []);
  const { config, quantisation, fileBytes, memory, storage } = inspection;
  const { source } = choice;
  const remote = typeof source === 'string' && !source.startsWith('synthetic:');
  const entry = remote ? cachedModels.value?.find(({ url }) => fileOf(url) === fileOf(source)) : undefined;
  const download = remote && !entry?.complete;
  const size = fileBytes === null ? t.review.unknown : megabytes(fileBytes);
  const verdict = judge(inspection, download);
  return (
    <section class="panel" aria-labelledby="review-heading">
      <h1 id="review-heading">{choice.name}</h1>
      <p class={`judgement ${verdict.good ? 'good' : 'bad'}`} role="status"><Icon name={verdict.good ? 'check' : 'warn'} />{verdict.title}</p>
      {verdict.why && <p class="note">{verdict.why}</p>}
      <Facts
        facts={[
          [t.review.model, `${config.name || choice.name}, ${quantisation}`],
          [t.review.download, download ? size : t.review.nothing],
          [t.review.memory, megabytes(memory.total)],
          [t.review.contextLength, t.review.tokens(memory.contextLength, config.contextLength)],
          ...(storage && download ? [[t.review.storage, megabytes(storage.quota - storage.usage)] as const] : []),
        ]}
      />
      <div class="actions">
        <button type="button" class="plain" onClick={cancel}>{t.review.back}</button>
        <button type="button" class="primary" ref={button} onClick={() => void load(choice)}>
          {download && fileBytes !== null ? t.review.loadDownload(size) : t.review.load}
        </button>
      </div>
      {choice.licence && <p class="note licence"><a href={choice.licence} target="_blank" rel="noopener noreferrer">{t.start.licence}</a></p>}
    </section>
  );
}

function Loading({ choice, progress }: { readonly choice: Choice; readonly progress: LoadProgress | undefined }) {
  const part = progress?.total ? progress.loaded / progress.total : undefined;
  const heading = useRef<HTMLHeadingElement>(null);
  // The button that had the focus is gone, so a screen reader continues here.
  useEffect(() => heading.current?.focus(), []);
  return (
    <section class="panel loading" aria-labelledby="loading-heading">
      <div class="breathing"><Gem /></div>
      <h1 id="loading-heading" ref={heading} tabIndex={-1}>{t.loading.heading(choice.name)}</h1>
      <p class="phase" role="status">{phaseOf(progress)}</p>
      <progress aria-labelledby="loading-heading" {...(part === undefined ? {} : { value: part })} />
      <p class="figures">{figuresOf(progress).map((figure) => <span key={figure.replace(/[\d.,]/g, '')}>{figure}</span>)}</p>
      <div class="actions"><button type="button" class="plain" onClick={cancel}>{t.cancel}</button></div>
      {typeof choice.source === 'string' && <p class="note">{t.loading.resumable}</p>}
    </section>
  );
}

function Failed({ choice, error }: { readonly choice: Choice; readonly error: Failure }) {
  return (
    <section class="panel failed" aria-labelledby="failed-heading">
      <h1 id="failed-heading"><Icon name="warn" />{t.failed.heading}</h1>
      <p role="alert">{error.message}</p>
      <p class="note">{choice.name}. {t.failed.code(error.code)}</p>
      <div class="actions">
        <button type="button" class="plain" onClick={cancel}>{t.review.back}</button>
        <button type="button" class="primary" onClick={() => void review(choice)}>{t.failed.retry}</button>
      </div>
    </section>
  );
}

export function LoadPanel({ withCached = true }: { readonly withCached?: boolean }) {
  const now = stage.value;
  switch (now.at) {
    case 'choosing':
      return <Picker withCached={withCached} />;
    case 'inspecting':
      return (
        <section class="panel loading" aria-busy="true">
          <div class="breathing"><Gem /></div>
          <h1>{now.choice.name}</h1>
          <p class="phase" role="status">{t.review.reading}</p>
          <p class="note">{t.review.readingNote}</p>
          <div class="actions"><button type="button" class="plain" onClick={cancel}>{t.cancel}</button></div>
        </section>
      );
    case 'reviewing':
      return <Review choice={now.choice} inspection={now.inspection} />;
    case 'loading':
      return <Loading choice={now.choice} progress={now.progress} />;
    case 'failed':
      return <Failed choice={now.choice} error={now.error} />;
  }
}
