// The catalogue: models that the page offers. Edit it freely. Sizes are shown before any request; `inspect` tells the exact ones.

export interface CatalogueEntry {
  readonly name: string;
  /** Its use, in a few words. */
  readonly about: string;
  /** The source for `loadGemma`. */
  readonly source: string;
  readonly bytes: number;
  /** Tokens it was trained for. */
  readonly context: number;
  readonly licence: string;
}

const TERMS = 'https://ai.google.dev/gemma/terms';

/** Smallest first. All are Q4_K_M: about 4.8 bits a weight. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: 'Gemma 3 270M',
    about: 'Tiny and quick: short texts, simple questions',
    source: 'hf:bartowski/google_gemma-3-270m-it-GGUF/google_gemma-3-270m-it-Q4_K_M.gguf',
    bytes: 253e6,
    context: 32768,
    licence: TERMS,
  },
  {
    name: 'Gemma 3 1B',
    about: 'The best start: sound answers on most devices',
    source: 'hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf',
    bytes: 806e6,
    context: 32768,
    licence: TERMS,
  },
  {
    name: 'Gemma 1.1 2B',
    about: 'The first generation',
    source: 'hf:ggml-org/gemma-1.1-2b-it-Q4_K_M-GGUF/gemma-1.1-2b-it.Q4_K_M.gguf',
    bytes: 1.63e9,
    context: 8192,
    licence: TERMS,
  },
  {
    name: 'Gemma 2 2B',
    about: 'Better answers, for a card with more memory',
    source: 'hf:bartowski/gemma-2-2b-it-GGUF/gemma-2-2b-it-Q4_K_M.gguf',
    bytes: 1.71e9,
    context: 8192,
    licence: TERMS,
  },
];

/** Random weights in the shape of a real model: to measure a device without a download. */
export const SYNTHETIC: readonly { readonly name: string; readonly source: string }[] = [
  { name: 'Gemma 3 270M', source: 'synthetic:gemma-3-270m:q4_k_m' },
  { name: 'Gemma 3 1B', source: 'synthetic:gemma-3-1b:q4_0' },
  { name: 'Gemma 1 2B', source: 'synthetic:gemma-2b:q4_0' },
  { name: 'Gemma 2 2B', source: 'synthetic:gemma-2-2b:q4_0' },
];
