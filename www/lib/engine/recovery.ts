// Recovery from a lost GPU device: the model is loaded again, a few times, before the call fails.

import { GemmaError, toRecord } from '../shared/errors.js';
import type { DeviceLoss } from '../types/load.js';

/** Losses within the window from which a model still recovers. */
const MOST_TRIES = 3;
const WINDOW_MS = 60_000;
/** Pause before the next try if one failed: a driver that restarts has no adapter for a moment. */
const PAUSE_MS = 500;

/** Whether a failure means that the device is lost. */
export const isDeviceLoss = (thrown: unknown): boolean => toRecord(thrown).code === 'device_lost';

/** The error of a device that was lost for good. */
export function recoveryError(lost: unknown, why: string): GemmaError {
  const first = reason(lost);
  return new GemmaError('device_lost', `the GPU device was lost: ${first}; ${why}`, { why: `${first}; ${why}` });
}

/** Recovery of one model, which counts its losses. */
export class Recovery {
  #losses: number[] = [];

  /**
   * Loads the model again after `lost`; `reload` may be called more than once, and `notify` before each try.
   *
   * @throws {GemmaError} `device_lost` if the device was lost too often, after which counting begins again, or if loading fails.
   */
  async recover(lost: unknown, reload: () => Promise<void>, notify: (loss: DeviceLoss) => void): Promise<void> {
    for (let last = lost; ; ) {
      const now = performance.now();
      this.#losses = [...this.#losses.filter((at) => now - at < WINDOW_MS), now];
      const attempt = this.#losses.length;
      if (attempt > MOST_TRIES) {
        this.#losses = [];
        throw recoveryError(last, `it was brought back ${MOST_TRIES} times within a minute and is lost again; try later, or restart the browser`);
      }
      notify({ why: reason(last), attempt });
      if (last !== lost) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      try {
        return await reload();
      } catch (thrown) {
        const { code, message } = toRecord(thrown);
        if (code === 'aborted') throw thrown;
        if (code !== 'device_lost' && code !== 'no_webgpu') throw recoveryError(lost, `the model can't be loaded again: ${message}`);
        last = thrown;
      }
    }
  }
}

/** The platform's own words for a loss. */
function reason(thrown: unknown): string {
  const { message, details } = toRecord(thrown);
  return typeof details['why'] === 'string' ? details['why'] : message;
}
