// Trusted Types (`Content-Security-Policy: require-trusted-types-for 'script'`): such pages take the addresses of workers from policies
// only. Ours is called `gemma-web`, is made once, when the first worker starts, and lets through the one script that workers are started
// from; a page with a list of policies (`trusted-types`) has to name it.

import { GemmaError } from './shared/errors.js';

/** The policy's name, for the page's `trusted-types`. */
export const POLICY = 'gemma-web';

/** What lib.dom doesn't have. */
interface Policy {
  createScriptURL(address: string): string;
}
interface Policies {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy;
}

let policy: Policy | undefined;
let asked = false;
/** What the policy lets through while a worker is being started. */
let own: string | undefined;

/** Undefined where the browser has no Trusted Types, or the page does not allow the policy. */
function thePolicy(): Policy | undefined {
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  if (asked || !policies) return policy;
  asked = true;
  const createScriptURL = (address: string): string => {
    if (address !== own) throw new TypeError(`the policy ${POLICY} is for the workers of gemma-web, not for ${address}`);
    return address;
  };
  try {
    policy = policies.createPolicy(POLICY, { createScriptURL });
  } catch {
    // Whether a policy is required at all is seen when the worker starts.
  }
  return policy;
}

/**
 * Calls `start`, in which `new Worker(new URL(…))` stands as bundlers have to find it: `Worker` then is, until `start` returns, one that
 * sends the address through the policy. Nothing but the making of that address runs meanwhile.
 */
export function startTrusted(start: () => Worker): Worker {
  const Original = globalThis.Worker;
  const trusting = thePolicy();
  try {
    if (!trusting) return start();
    const { createScriptURL } = trusting;
    globalThis.Worker = class extends Original {
      constructor(address: string | URL, options?: WorkerOptions) {
        own = String(address);
        super(createScriptURL.call(trusting, own), options);
      }
    };
    return start();
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const remedy = `allow it in the page's Content-Security-Policy (worker-src, and trusted-types ${POLICY}), or load with worker: false`;
    throw new GemmaError('unsupported', `this page starts no worker: ${why}; ${remedy}`, { what: 'a worker', found: why });
  } finally {
    globalThis.Worker = Original;
    own = undefined;
  }
}
