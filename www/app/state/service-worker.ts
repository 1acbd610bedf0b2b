// The service worker: stores the page for use without a network, and installs new versions when the reader agrees.

import { signal } from '@preact/signals';
import { registerSW } from 'virtual:pwa-register';

/** A new version is complete, and waits. */
export const updateReady = signal(false);
export const offlineReady = signal(false);

let update: (() => Promise<void>) | undefined;

/** Time that “works without a network” is shown. */
const SHOWN_MS = 6000;

export function startServiceWorker(): void {
  update = registerSW({
    onNeedRefresh: () => void (updateReady.value = true),
    onOfflineReady: () => {
      offlineReady.value = true;
      setTimeout(() => void (offlineReady.value = false), SHOWN_MS);
    },
  });
}

export const updateNow = (): void => void update?.();
