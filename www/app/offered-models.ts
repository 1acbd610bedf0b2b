// Models that the page's own server offers.

export interface OfferedModel {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
}

/** The models of `www/tools/serve.mjs`. Other hosts have no such list, so the page does not ask them for it. */
export async function offeredModels(): Promise<readonly OfferedModel[]> {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) return [];
  const answer = await fetch('/models/index.json').catch(() => undefined);
  if (!answer?.ok || !answer.headers.get('content-type')?.startsWith('application/json')) return [];
  return (await answer.json()) as OfferedModel[];
}
