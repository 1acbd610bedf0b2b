// A conversation as a tree of turns: editing and regenerating add a branch beside the old one, so that no text is ever lost.

import type { FinishReason } from 'gemma-web';

/** The figures of an answer, as the engine measured them. */
export interface Figures {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly droppedTokens: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
}

/** The end of an answer: a reason of the engine's, a failure, or a page that was closed. */
export type Ending = FinishReason | 'failed' | 'interrupted';

export interface Turn {
  readonly id: string;
  /** The turn it follows; null for the first. */
  readonly parent: string | null;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly at: number;
  readonly ending?: Ending | undefined;
  readonly figures?: Figures | undefined;
  /** The model that wrote it. */
  readonly model?: string | undefined;
}

/** `chat`: turns that answer each other. `text`: one text that the reader and a base model write in turns. */
export type Kind = 'chat' | 'text';

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly kind: Kind;
  readonly created: number;
  readonly updated: number;
  readonly system: string;
  /** The last turn of the branch that is shown. */
  readonly leaf: string | null;
  readonly turns: readonly Turn[];
}

export const newId = (): string => crypto.randomUUID();

export function newConversation(kind: Kind, system = ''): Conversation {
  const now = Date.now();
  return { id: newId(), title: '', kind, created: now, updated: now, system, leaf: null, turns: [] };
}

/** The turns of the branch up to one of them, first to last. */
export function branchTo({ turns }: Conversation, leaf: string | null): Turn[] {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const branch: Turn[] = [];
  // An imported file may hold a circle; a branch is never longer than the tree.
  for (let at = leaf; at !== null && branch.length <= turns.length; ) {
    const turn = byId.get(at);
    if (!turn) break;
    branch.push(turn);
    at = turn.parent;
  }
  return branch.reverse();
}

export const branchOf = (conversation: Conversation): Turn[] => branchTo(conversation, conversation.leaf);

/** A turn and its alternatives at the same place, oldest first. In a text it does not matter who wrote them. */
export const siblingsOf = ({ kind, turns }: Conversation, { parent, role }: Turn): Turn[] =>
  turns.filter((other) => other.parent === parent && (kind === 'text' || other.role === role));

/** Shows the newest branch through a turn. */
export function select(conversation: Conversation, turn: Turn): Conversation {
  let leaf = turn.id;
  for (let steps = 0; steps < conversation.turns.length; steps += 1) {
    const next = conversation.turns.findLast(({ parent }) => parent === leaf);
    if (!next) break;
    leaf = next.id;
  }
  return { ...conversation, leaf };
}

/** Adds a turn, which ends the branch shown. */
export function add(conversation: Conversation, turn: Turn): Conversation {
  const title = conversation.title || (turn.role === 'user' ? titleOf(turn.text) : '');
  return { ...conversation, title, leaf: turn.id, updated: turn.at, turns: [...conversation.turns, turn] };
}

export function change(conversation: Conversation, id: string, changes: Partial<Turn>): Conversation {
  return { ...conversation, updated: Date.now(), turns: conversation.turns.map((turn) => (turn.id === id ? { ...turn, ...changes } : turn)) };
}

/** Removes a turn that nothing follows. */
export function remove(conversation: Conversation, id: string): Conversation {
  const gone = conversation.turns.find((turn) => turn.id === id);
  if (!gone) return conversation;
  const leaf = conversation.leaf === id ? gone.parent : conversation.leaf;
  return { ...conversation, leaf, turns: conversation.turns.filter((turn) => turn !== gone) };
}

/** A text as the reader changed it: the turns before the change stay, the rest becomes a branch beside the old text. */
export function rewrite(conversation: Conversation, whole: string): Conversation {
  let rest = whole;
  let parent: string | null = null;
  for (const turn of branchOf(conversation)) {
    if (!rest.startsWith(turn.text)) break;
    rest = rest.slice(turn.text.length);
    parent = turn.id;
  }
  if (rest !== '') return add(conversation, { id: newId(), parent, role: 'user', text: rest, at: Date.now() });
  return { ...conversation, leaf: parent };
}

/** The newer state of a turn that two tabs know. Only answers change: they grow and then end. */
function newer(ours: Turn, theirs: Turn | undefined): Turn {
  if (!theirs || ours.ending !== 'interrupted') return ours;
  return theirs.ending !== 'interrupted' || theirs.text.length > ours.text.length ? theirs : ours;
}

/** The state of a conversation from two tabs: `ours`, with the turns that only the other tab wrote. */
export function merge(ours: Conversation, theirs: Conversation): Conversation {
  const known = new Set(ours.turns.map(({ id }) => id));
  // An answer without a text has just begun in the other tab, or was given up here.
  const more = theirs.turns.filter(({ id, text }) => !known.has(id) && text !== '');
  const byId = new Map(theirs.turns.map((turn) => [turn.id, turn]));
  const turns = ours.turns.map((turn) => newer(turn, byId.get(turn.id)));
  if (more.length === 0) return turns.every((turn, at) => turn === ours.turns[at]) ? ours : { ...ours, turns };
  return { ...ours, turns: [...turns, ...more].sort((a, b) => a.at - b.at) };
}

/** Another conversation that begins with the branch up to a turn. */
export function forkAt(conversation: Conversation, id: string): Conversation {
  const turns = branchTo(conversation, id);
  const now = Date.now();
  return { ...conversation, id: newId(), created: now, updated: now, turns, leaf: id };
}

const MOST_OF_A_TITLE = 60;

function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length <= MOST_OF_A_TITLE ? line : `${line.slice(0, MOST_OF_A_TITLE).trimEnd()} …`;
}
