// Errors: the public class, and the record in whose form an error crosses from the engine to the page.

import { messageOf } from './shown.js';

/**
 * Kind of failure, a stable name to program against. The file is wrong: `not_gguf` … `unsupported`. The network or the disk fails: `http` …
 * `io`. The device fails: `no_webgpu` … `inconsistent`. The call is wrong: `invalid_option`, `context_full`, `invalid_message`,
 * `session_mismatch`, `disposed`. This library is wrong: `internal`.
 */
export type GemmaErrorCode =
  | 'not_gguf'
  | 'unsupported_version'
  | 'truncated'
  | 'malformed'
  | 'missing_key'
  | 'bad_key'
  | 'unsupported_architecture'
  | 'unsupported_tensor_type'
  | 'missing_tensor'
  | 'wrong_shape'
  | 'unsupported'
  | 'http'
  | 'network'
  | 'bad_reply'
  | 'file_changed'
  | 'checksum_mismatch'
  | 'wrong_shard'
  | 'quota_exceeded'
  | 'storage'
  | 'cache_busy'
  | 'io'
  | 'no_webgpu'
  | 'limit_too_low'
  | 'out_of_memory'
  | 'device_lost'
  | 'gpu'
  | 'self_test_failed'
  | 'numeric_error'
  | 'inconsistent'
  | 'invalid_option'
  | 'context_full'
  | 'invalid_message'
  | 'session_mismatch'
  | 'disposed'
  | 'internal';

/** A plain object that crosses to the page in place of an error. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Any failure of this library except cancellation, which is an `AbortError` DOMException as elsewhere on the web. */
export class GemmaError extends Error {
  override readonly name = 'GemmaError';
  /** Kind of failure. It is stable; the message is not. */
  readonly code: GemmaErrorCode;
  /** The measured values: which tensor, how many bytes, which status. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: GemmaErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** The `AbortError` that every cancelled operation rejects with. */
export function abortError(): DOMException {
  return new DOMException('The operation was aborted.', 'AbortError');
}

/** The error to throw for a record. */
export function toError(record: ErrorRecord): Error {
  if (record.code === 'aborted') return abortError();
  return new GemmaError(record.code as GemmaErrorCode, record.message, record.details);
}

/** The record of anything thrown in the engine, whose Rust half throws `{ code, message, …details }`. */
export function toRecord(thrown: unknown): ErrorRecord {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string') {
    const { code, message, ...details } = thrown as { code: string; message?: unknown };
    return { code, message: String(message), details };
  }
  return { code: 'internal', message: `internal error: ${messageOf(thrown)}; please report it`, details: {} };
}
