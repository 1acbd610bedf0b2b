// The frame of the page: sidebar, screen, dialogs and notices.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { saveFailed } from '../state/chats.js';
import { loaded, recovering, stage } from '../state/engine.js';
import { drawer, go, hrefOf, route } from '../state/route.js';
import { offlineReady, updateNow, updateReady } from '../state/service-worker.js';
import { t } from '../strings.js';
import { Chat } from './chat.js';
import { Models } from './models.js';
import { IconButton, Sheet } from './components.js';
import { chooseFiles } from './picker.js';
import { SettingsSheet } from './settings.js';
import { Sidebar } from './sidebar.js';
import { Start } from './start.js';

function Screen() {
  const { screen } = route.value;
  if (screen === 'models') return <Models />;
  if (screen === 'home' && (!loaded.value || stage.value.at !== 'choosing')) return <Start />;
  return <Chat />;
}

function Notices() {
  return (
    <div class="notices" role="status">
      {saveFailed.value && <p class="notice">{t.notices.saveFailed}</p>}
      {recovering.value !== undefined && <p class="notice">{t.notices.recovering(recovering.value)}</p>}
      {wrongDrop.value && <p class="notice">{t.notices.notGguf}</p>}
      {offlineReady.value && (
        <p class="notice">{t.notices.offlineReady}<IconButton icon="close" label={t.close} onClick={() => void (offlineReady.value = false)} /></p>
      )}
      {updateReady.value && (
        <p class="notice">
          {t.notices.update}
          <button type="button" class="primary small" onClick={updateNow}>{t.notices.updateNow}</button>
          <button type="button" class="plain small" onClick={() => void (updateReady.value = false)}>{t.notices.later}</button>
        </p>
      )}
    </div>
  );
}

const wrongDrop = signal(false);
/** Time that a short notice is shown. */
const SHOWN_MS = 6000;

/** Files dropped anywhere are models. */
function Drop() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      // Otherwise the browser would leave the page to show the file.
      event.preventDefault();
      setOver(event.type === 'dragover');
      if (event.type !== 'drop') return;
      if (chooseFiles(event.dataTransfer.files)) return go({ screen: 'models' });
      wrongDrop.value = true;
      setTimeout(() => void (wrongDrop.value = false), SHOWN_MS);
    };
    const types = ['dragover', 'dragleave', 'drop'] as const;
    for (const type of types) document.addEventListener(type, drag);
    return () => {
      for (const type of types) document.removeEventListener(type, drag);
    };
  }, []);
  return over ? <div class="drop"><p>{t.start.drop}</p></div> : null;
}

function TopBar() {
  const model = loaded.value;
  return (
    <header class="topbar">
      <IconButton icon="menu" label={t.chat.open} onClick={() => void (drawer.value = true)} />
      <a class="model-chip" href={hrefOf({ screen: 'models' })}>{model ? model.choice.name : t.start.choose}</a>
    </header>
  );
}

export function Shell() {
  const main = useRef<HTMLElement>(null);
  const skip = (event: Event): void => {
    event.preventDefault();
    main.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>{t.skip}</a>
      <div class="frame">
        <div class="wide-only"><Sidebar /></div>
        <div class="column">
          <TopBar />
          <main id="main" tabIndex={-1} ref={main}><Screen /></main>
        </div>
      </div>
      <Sheet open={drawer.value} label={t.chat.open} onClose={() => void (drawer.value = false)} class="drawer"><Sidebar /></Sheet>
      <SettingsSheet />
      <Notices />
      <Drop />
    </>
  );
}
