// The first screen: the page's purpose, the device's verdict, and the choice of a model.

import type { Probe } from 'gemma-web';
import { stage, verdict } from '../state/engine.js';
import { t } from '../strings.js';
import { Gem, Icon } from './icons.js';
import { LoadPanel } from './load-panel.js';

/** The reason of a verdict, and a remedy. */
function reasonOf({ adapter, software }: Probe): string {
  if (adapter) return software ? t.device.software : '';
  if (!isSecureContext) return t.device.insecure;
  return 'gpu' in navigator ? t.device.noAdapter : t.device.noWebgpu;
}

/** Whether models run on this device, in plain words. */
export function DeviceVerdict() {
  const found = verdict.value;
  if (!found) return <p class="verdict" role="status">{t.device.checking}</p>;
  const { verdict: kind } = found;
  const reason = reasonOf(found);
  return (
    <div class={`verdict ${kind}`} role="status">
      <p><Icon name={kind === 'ok' ? 'check' : 'warn'} /><strong>{t.device[kind]}</strong></p>
      {reason && <p class="why">{reason}</p>}
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
          <DeviceVerdict />
        </header>
      )}
      {choosing && <h2>{t.start.choose}</h2>}
      <LoadPanel />
    </div>
  );
}
