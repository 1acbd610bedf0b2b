// What both pages need.

import { GemmaError } from 'gemma-web';

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

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** A model that the demo's own server has. */
export interface Offer {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
}

/** The models that the demo's own server has; on other hosts there is no such list. */
export async function offeredModels(): Promise<readonly Offer[]> {
  const answer = await fetch('/models/index.json').catch(() => undefined);
  if (!answer?.ok || !answer.headers.get('content-type')?.startsWith('application/json')) return [];
  return (await answer.json()) as Offer[];
}
