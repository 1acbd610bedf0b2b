// The notice in place of the composer while there is no model to ask: what is missing, and how to get it.

import { current } from '../state/chats.js';
import { cancel, load, loaded, previous, stage } from '../state/engine.js';
import { go } from '../state/route.js';
import { t } from '../strings.js';

export function ComposerNotice() {
  const now = stage.value;
  const choice = now.at === 'failed' ? now.choice : previous.value;
  const other = (): void => {
    if (now.at === 'failed') cancel();
    go({ screen: 'models' });
  };
  if (now.at === 'loading') {
    const { progress } = now;
    const label = t.chat.loading(now.choice.name);
    return (
      <div class="composer-notice">
        <p role="status">{label}</p>
        <button type="button" class="plain small" onClick={cancel}>{t.cancel}</button>
        <progress aria-label={label} {...(progress?.total ? { value: progress.loaded / progress.total } : {})} />
      </div>
    );
  }
  const mismatch = current.value.kind === 'chat' && loaded.value !== undefined;
  const text = mismatch ? t.chat.baseInChat : now.at === 'failed' ? t.chat.loadFailed(now.error.message) : t.chat.needsModel;
  return (
    <div class="composer-notice">
      <p role={now.at === 'failed' ? 'alert' : undefined}>{text}</p>
      <div class="chips">
        {choice && !mismatch && <button type="button" class="primary" onClick={() => void load(choice)}>{t.chat.reload(choice.name)}</button>}
        <button type="button" class={choice && !mismatch ? 'plain' : 'primary'} onClick={other}>{t.chat.loadOther}</button>
      </div>
    </div>
  );
}
