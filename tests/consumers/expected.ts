/** Greedy tokens of the prompt of golden.js, whose margins no rounding flips, and their text. */
export const GOLDEN = { text: 'ves eat sayFound', tokens: [811, 838, 733, 308, 638] };
