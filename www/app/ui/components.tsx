// Components that several screens use.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../strings.js';
import { Icon, type IconName } from './icons.js';

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly class?: string | undefined;
  readonly disabled?: boolean | undefined;
}

/** A button that shows an icon and says what it does. */
export function IconButton({ icon, label, onClick, class: more = '', disabled = false }: IconButtonProps) {
  return (
    <button type="button" class={`icon-button ${more}`} aria-label={label} title={label} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

interface SheetProps {
  readonly open: boolean;
  readonly label: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly class?: string | undefined;
}

/**
 * A dialog of the browser's own: it holds the focus, closes by Esc, and gives the focus back.
 *
 * The browser closes it at once and sends `close` later: by then a person may have opened it again. So the dialog reports its
 * closing at `beforetoggle`, which comes at once, and `close` checks whether the dialog is wanted again.
 */
export function Sheet({ open, label, onClose, children, class: more = '' }: SheetProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const wanted = useRef(open);
  const told = useRef(false);
  wanted.current = open;
  useLayoutEffect(() => {
    const { current } = dialog;
    if (open && current && !current.open) current.showModal();
    if (!open && current?.open) current.close();
  });
  const closing = (event: Pick<ToggleEvent, 'target' | 'newState'>): void => {
    // `toggle` events of other elements may pass by; only those of the reader's closing count.
    if (event.target !== dialog.current || event.newState !== 'closed' || !wanted.current) return;
    told.current = true;
    onClose();
  };
  const closed = (): void => {
    const news = !told.current;
    told.current = false;
    if (!wanted.current || dialog.current?.open) return;
    // Browsers without `beforetoggle` for dialogs report it only now. In others it was opened again before the page could draw it.
    if (news) onClose();
    else dialog.current?.showModal();
  };
  const outside = (event: MouseEvent): void => {
    if (event.target === dialog.current) onClose();
  };
  return (
    <dialog ref={dialog} class={`sheet ${more}`} aria-label={label} onBeforeToggle={closing} onClose={closed} onClick={outside}>
      {open && <div class="sheet-body">{children}</div>}
    </dialog>
  );
}

interface ConfirmProps {
  readonly question: string | undefined;
  readonly onYes: () => void;
  readonly onNo: () => void;
}

/** Asks before something is deleted. */
export function Confirm({ question, onYes, onNo }: ConfirmProps) {
  return (
    <Sheet open={question !== undefined} label={t.remove} onClose={onNo} class="confirm">
      <p>{question}</p>
      <div class="actions">
        <button type="button" class="plain" onClick={onNo}>{t.cancel}</button>
        <button type="button" class="danger" onClick={onYes}>{t.remove}</button>
      </div>
    </Sheet>
  );
}

/** Copies a text, and says so for a moment. */
export function CopyButton({ text }: { readonly text: () => string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => void navigator.clipboard?.writeText(text()).then(() => setCopied(true), () => undefined);
  return <IconButton icon={copied ? 'check' : 'copy'} label={copied ? t.chat.copied : t.chat.copy} onClick={copy} />;
}
