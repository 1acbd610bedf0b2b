// The service worker: keeps the page itself for use without a network, and brings new versions when the reader wants them.

import { signal } from '@preact/signals';
import { registerSW } from 'virtual:pwa-register';

/** A new version is there, whole, and waits. */
export const updateReady = signal(false);
export const offlineReady = signal(false);

let update: (() => Promise<void>) | undefined;

/** How long "works offline" is shown. */
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
