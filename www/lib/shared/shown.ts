// Values as error messages show them.

/** A value as text for an error message, cut off at `maxLength` characters. */
export function shown(value: unknown, maxLength = Infinity): string {
  const text = unshortened(value);
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}

function unshortened(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  // JSON has no NaN.
  if (typeof value === 'number') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** The message of anything thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
