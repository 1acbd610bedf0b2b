// What is done where the GPU is gone in the middle of a call: it is brought back, a few times, and then given up.

import { GemmaError, toRecord } from '../shared/errors.js';
import type { DeviceLoss } from '../types/model.js';

/** So many losses within so many milliseconds are too many. */
const MOST_TRIES = 3;
const WINDOW_MS = 60_000;
/** Rest before another try where the last one failed: a driver that starts anew has no adapter for a moment. */
const REST_MS = 500;

/** Whether a failure means that the device is gone. */
export const isLoss = (thrown: unknown): boolean => toRecord(thrown).code === 'device_lost';

/** The error of a device that doesn't come back. */
export function givenUp(lost: unknown, why: string): GemmaError {
  const { message, details } = toRecord(lost);
  const first = typeof details['why'] === 'string' ? details['why'] : message;
  return new GemmaError('device_lost', `the GPU device was lost: ${first}; ${why}`, { why: `${first}; ${why}` });
}

/** Counts the losses of one model and has it brought back. */
export class Recovery {
  #losses: number[] = [];

  /**
   * Brings the model back after `lost`; `bring` may be called more than once. `tell` hears of each try.
   *
   * @throws {GemmaError} `device_lost` where it was lost too often, after which counting begins anew, or where it can't be brought back.
   */
  async recover(lost: unknown, bring: () => Promise<void>, tell: (loss: DeviceLoss) => void): Promise<void> {
    for (let last = lost; ; ) {
      const now = performance.now();
      this.#losses = [...this.#losses.filter((at) => now - at < WINDOW_MS), now];
      const attempt = this.#losses.length;
      if (attempt > MOST_TRIES) {
        this.#losses = [];
        throw givenUp(last, `it was brought back ${MOST_TRIES} times within a minute and is lost again; try later, or restart the browser`);
      }
      tell({ why: reason(last), attempt });
      if (last !== lost) await new Promise((resolve) => setTimeout(resolve, REST_MS));
      try {
        return await bring();
      } catch (thrown) {
        const { code, message } = toRecord(thrown);
        if (code === 'aborted') throw thrown;
        if (code !== 'device_lost' && code !== 'no_webgpu') throw givenUp(lost, `the model can't be loaded again: ${message}`);
        last = thrown;
      }
    }
  }
}

function reason(thrown: unknown): string {
  const { message, details } = toRecord(thrown);
  return typeof details['why'] === 'string' ? details['why'] : message;
}
