// Starting of workers, also on pages with Trusted Types (`Content-Security-Policy: require-trusted-types-for 'script'`). Such pages take the
// addresses of workers only from policies. The package's policy is called `gemma-web`. It is created when the first worker starts, and lets
// through only the address of that worker; a page with a list of policies (`trusted-types`) has to name it.
//
// This file lies beside worker.js, since bundles do, too: a bundler that does not follow `new URL(…, import.meta.url)` resolves the address
// against the bundle.

import { GemmaError } from './shared/errors.js';
import { messageOf } from './shared/shown.js';

/** Name of the policy, for the page's `trusted-types`. */
export const POLICY = 'gemma-web';

/** A Trusted Types policy; lib.dom has no types for them. */
interface Policy {
  createScriptURL(address: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy;
}

let ownPolicy: Policy | undefined;
let tried = false;
/** The address that the policy lets through while a worker is being started. */
let allowed: string | undefined;

/** The package's policy; undefined if the browser has no Trusted Types, or the page does not allow the policy. */
function workerPolicy(): Policy | undefined {
  const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  if (tried || !factory) return ownPolicy;
  tried = true;
  const createScriptURL = (address: string): string => {
    if (address !== allowed) throw new TypeError(`the policy ${POLICY} is for the workers of gemma-web, not for ${address}`);
    return address;
  };
  try {
    ownPolicy = factory.createPolicy(POLICY, { createScriptURL });
  } catch {
    // The start of the worker shows whether a policy is required at all.
  }
  return ownPolicy;
}

/** `Worker` for addresses that go through a policy. */
function throughPolicy(Original: typeof Worker, policy: Policy): typeof Worker {
  return class extends Original {
    constructor(address: string | URL, options?: WorkerOptions) {
      allowed = String(address);
      super(policy.createScriptURL(allowed), options);
    }
  };
}

/**
 * Starts a worker of this name.
 *
 * Bundlers only find a worker that is started as `new Worker(new URL(…))`. So that the policy sees the address nevertheless, `Worker` is
 * replaced until the constructor returns; no other code runs meanwhile.
 *
 * @throws {GemmaError} `unsupported` if the page forbids it.
 */
export function startWorker(name: string): Worker {
  const Original = globalThis.Worker;
  const policy = workerPolicy();
  try {
    if (policy) globalThis.Worker = throughPolicy(Original, policy);
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name });
  } catch (thrown) {
    const why = messageOf(thrown);
    const remedy = `allow it in the page's Content-Security-Policy (worker-src, and trusted-types ${POLICY}), or load with worker: false`;
    throw new GemmaError('unsupported', `this page starts no worker: ${why}; ${remedy}`, { what: 'a worker', found: why });
  } finally {
    globalThis.Worker = Original;
    allowed = undefined;
  }
}
