// The first screen: what this is, whether it runs here, and which model.

import { stage, verdict } from '../state/engine.js';
import { t } from '../strings.js';
import { Gem, Icon } from './icons.js';
import { StagePanel } from './load-panel.js';

/** Whether models run on this device, in plain words. */
export function Verdict() {
  const found = verdict.value;
  if (!found) return <p class="verdict" role="status">{t.start.checking}</p>;
  const { verdict: kind, why } = found;
  return (
    <div class={`verdict ${kind}`} role="status">
      <p><Icon name={kind === 'ok' ? 'check' : 'warn'} /><strong>{t.start[kind]}</strong></p>
      {kind === 'ok' ? null : <p class="why">{why}</p>}
    </div>
  );
}

export function Start() {
  const choosing = stage.value.at === 'choosing';
  return (
    <div class="page start">
      {choosing && (
        <header class="hero">
          <Gem />
          <h1>{t.start.heading}</h1>
          <p>{t.start.lead}</p>
          <Verdict />
        </header>
      )}
      {choosing && <h2>{t.start.choose}</h2>}
      <StagePanel />
    </div>
  );
}
