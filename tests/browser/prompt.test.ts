// The prompt of a branch of a conversation.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { promptOf } from '../../www/app/state/prompt.js';
import { add, branchOf, type Conversation, forkAt, newConversation, remove, select, siblingsOf, type Turn } from '../../www/app/state/tree.js';

const turn = (id: string, parent: string | null, role: Turn['role'], text = id): Turn => ({ id, parent, role, text, at: 1 });

function conversation(system = '', ...turns: Turn[]): Conversation {
  return turns.reduce(add, newConversation('chat', system));
}

describe('the prompt of a conversation', () => {
  const one = conversation('Be brief.', turn('q', null, 'user'), turn('a', 'q', 'assistant'), turn('q2', 'a', 'user'));

  it('has its instructions where the generation of the model reads them', () => {
    assert.deepEqual(promptOf(one, branchOf(one), 'gemma3'), [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'q2' },
    ]);
    for (const architecture of ['gemma', 'gemma2'] as const) {
      assert.deepEqual(promptOf(one, branchOf(one), architecture).slice(0, 2), [
        { role: 'user', content: 'Be brief.\n\nq' },
        { role: 'assistant', content: 'a' },
      ]);
    }
  });

  it('joins messages between which an answer failed', () => {
    const failed = add(remove(add(one, turn('a2', 'q2', 'assistant')), 'a2'), turn('q3', 'q2', 'user'));
    assert.deepEqual(promptOf(failed, branchOf(failed), 'gemma3').at(-1), { role: 'user', content: 'q2\n\nq3' });
  });

  it('of a text is the text, with every space in it', () => {
    const text = { ...conversation('ignored', turn('a', null, 'user', 'Once '), turn('b', 'a', 'assistant', 'upon\n'), turn('c', 'b', 'user', ' a time')), kind: 'text' as const };
    assert.equal(promptOf(text, branchOf(text), 'gemma3'), 'Once upon\n a time');
  });

  it('follows the branch that is shown', () => {
    const edited = add(one, turn('other', null, 'user'));
    assert.deepEqual(branchOf(edited).map(({ id }) => id), ['other']);
    const [first] = siblingsOf(edited, edited.turns.at(-1) as Turn);
    assert.deepEqual(branchOf(select(edited, first as Turn)).map(({ id }) => id), ['q', 'a', 'q2']);
    assert.deepEqual(forkAt(one, 'a').turns.map(({ id }) => id), ['q', 'a']);
  });
});
