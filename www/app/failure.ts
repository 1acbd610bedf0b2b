// A failure as the page shows it.

import { GemmaError } from 'gemma-web';
import { FAILURES } from './strings.js';

export interface Failure {
  /** Stable, for reports: a `GemmaErrorCode`. */
  readonly code: string;
  /** Plain words and a remedy. */
  readonly message: string;
}

/** The failure behind an error; undefined if the user asked for it. The library's own message goes to the console. */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof DOMException && error.name === 'AbortError') return undefined;
  console.info(error);
  const [code, details] = error instanceof GemmaError ? [error.code, error.details] : (['internal', {}] as const);
  // A newer library may have codes that this page does not know.
  const words = FAILURES[code] ?? FAILURES.internal;
  return { code, message: typeof words === 'string' ? words : words(details) };
}
