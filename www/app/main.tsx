// The entry of the chat page.

import { effect } from '@preact/signals';
import { render } from 'preact';
import './style.css';
import './styles/frame.css';
import './styles/models.css';
import './styles/chat.css';
import { busy, stop } from './state/answer.js';
import { current, open, refresh, startNew } from './state/chats.js';
import { discover, loaded, resume } from './state/engine.js';
import { go, route } from './state/route.js';
import { startSettings } from './state/settings.js';
import { startServiceWorker } from './state/service-worker.js';
import { newConversation } from './state/tree.js';
import { Shell } from './ui/shell.js';

startSettings();
const root = document.getElementById('app');
if (root) render(<Shell />, root);
startServiceWorker();
void refresh();
resume();
void discover();

// The address decides what is shown.
effect(() => {
  const to = route.value;
  if (to.screen !== 'chat') return;
  void open(to.id).then((found) => {
    if (!found && route.peek() === to) go({ screen: 'home' });
  });
});

// Titles distinguish tabs and entries of the history.
const name = document.title;
effect(() => {
  const { title } = current.value;
  document.title = route.value.screen === 'chat' && title !== '' ? `${title} · ${name}` : name;
});

// The reader wants to use a model that was just loaded: the shown conversation continues with it, or a new one begins.
let before = loaded.peek();
effect(() => {
  const model = loaded.value;
  const [was, now] = [before, model];
  before = model;
  if (!now || was === now) return;
  const kind = now.gemma.info.chat ? 'chat' : 'text';
  const shown = current.peek();
  const at = route.peek();
  if (at.screen !== 'models') {
    if (shown.turns.length === 0 && shown.kind !== kind) current.value = newConversation(kind);
    return;
  }
  if (shown.turns.length > 0 && shown.kind === kind) go({ screen: 'chat', id: shown.id });
  else startNew(kind);
});

document.addEventListener('keydown', (event) => {
  const field = event.target instanceof HTMLElement && event.target.closest('input, textarea, select, dialog[open]') !== null;
  if (event.key === 'Escape' && busy.peek() && !document.querySelector('dialog[open]')) {
    stop();
  } else if (event.key === '/' && !field && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById('message')?.focus();
  }
});
