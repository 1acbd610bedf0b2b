// The meter of the context: how much is used, and what happens when it is full.

import { useEffect, useState } from 'preact/hooks';
import { answer, busy, streamedTokens } from '../state/answer.js';
import { current } from '../state/chats.js';
import { loaded } from '../state/engine.js';
import { promptOf } from '../state/prompt.js';
import { branchOf } from '../state/tree.js';
import { t } from '../strings.js';

/** Tokens of the branch shown, as the engine counts them. While an answer is written: those of its prompt and those written so far. */
function useCount(): number {
  const model = loaded.value?.gemma;
  const conversation = current.value;
  const [counted, setCounted] = useState(0);
  const waits = busy.value;
  useEffect(() => {
    // The engine does one thing at a time, and the answer is more important.
    if (!model || waits) return undefined;
    let stale = false;
    const branch = branchOf(conversation);
    const prompt = promptOf(conversation, branch, model.info.config.architecture);
    const count = branch.length === 0 ? Promise.resolve(0) : model.countTokens(prompt);
    count.then((tokens) => void (stale || setCounted(tokens)), () => undefined);
    return () => void (stale = true);
  }, [model, conversation.id, conversation.leaf, conversation.system, waits]);
  const ongoing = answer.value;
  return ongoing?.conversation === conversation.id && ongoing.promptTokens > 0 ? ongoing.promptTokens + streamedTokens.value : counted;
}

export function ContextMeter() {
  const of = loaded.value?.gemma.info.contextLength ?? 0;
  const count = useCount();
  const used = Math.min(count, of);
  const part = of === 0 ? 0 : used / of;
  const dropped = branchOf(current.value).findLast(({ figures }) => figures)?.figures?.droppedTokens ?? 0;
  const left = Math.max(dropped, count - of, 0);
  if (of === 0) return null;
  return (
    <>
      <button type="button" class={`meter ${part > 0.85 ? 'nearly' : ''}`} popovertarget="meter-more" aria-label={t.meter.label(used, of)} title={t.meter.label(used, of)}>
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="10" cy="10" r="7" pathLength="100" />
          <circle class="used" cx="10" cy="10" r="7" pathLength="100" stroke-dasharray={`${Math.max(part * 100, 0.01)} 100`} />
        </svg>
        <span>{t.meter.short(used, of)}</span>
      </button>
      <div id="meter-more" popover="auto" class="popover" data-writing={answer.value !== undefined}>
        <h3>{t.meter.heading}</h3>
        <p><strong>{t.meter.label(used, of)}.</strong></p>
        <p>{t.meter.explain}</p>
        <p>{t.meter.full}</p>
        {left > 0 && <p>{t.meter.dropped(left)}</p>}
      </div>
    </>
  );
}
