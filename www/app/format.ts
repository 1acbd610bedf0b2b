// What both pages need.

import { GemmaError, type LoadProgress } from 'gemma-web';

/** The element of that id and type; the pages have them all. */
export function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** What to show for a failure; undefined where the user asked for it. */
export function explain(error: unknown): string | undefined {
  if (error instanceof DOMException && error.name === 'AbortError') return undefined;
  if (error instanceof GemmaError) return `${error.message} (${error.code})`;
  return String(error);
}

export function megabytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0)} GB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** A load under way, in words. */
export function progressText({ phase, loaded, total, cached, bytesPerSecond, etaSeconds, paused }: LoadProgress): string {
  if (phase === 'waiting') return 'Another tab is loading this model …';
  if (paused === 'offline') return `${megabytes(loaded)} are here. There is no network; loading goes on when it is back.`;
  if (paused === 'retrying') return `${megabytes(loaded)} are here. The server did not answer as it should; trying again …`;
  if (loaded === total) return `All ${megabytes(loaded)} are here; preparing the GPU …`;
  const amount = total === null ? megabytes(loaded) : `${megabytes(loaded)} of ${megabytes(total)}`;
  const from = cached > 0 && cached === loaded ? ' from this device' : '';
  const speed = bytesPerSecond > 0 ? `, ${megabytes(bytesPerSecond)}/s` : '';
  const left = etaSeconds === null ? '' : `, ${duration(etaSeconds)} left`;
  return `Loaded ${amount}${from}${speed}${left}`;
}

const duration = (seconds: number): string => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** A model that the demo's own server has. */
export interface Offer {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
}

/** The models that the demo's own server has. Other hosts have no such list, and are not asked for it. */
export async function offeredModels(): Promise<readonly Offer[]> {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) return [];
  const answer = await fetch('/models/index.json').catch(() => undefined);
  if (!answer?.ok || !answer.headers.get('content-type')?.startsWith('application/json')) return [];
  return (await answer.json()) as Offer[];
}
