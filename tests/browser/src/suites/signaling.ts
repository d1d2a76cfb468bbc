/** The socket may go; the audio does not go through it. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { Cable } from '../support/cable.js';
import { Person, hearEachOther, talk } from '../support/person.js';
import { plainStack } from '../support/shared.js';
import type { Stack } from '../support/stack.js';
import { until } from '../support/until.js';

interface Scene {
  stack: Stack;
  cable: Cable;
  /** Whose socket goes through the cable. */
  asha: Person;
  ravi: Person;
  callsBefore: number;
}

async function talking(t: TestContext): Promise<Scene> {
  const stack = await plainStack();
  const cable = await Cable.to(stack.socketUrl);
  t.after(() => cable.remove());
  const asha = await Person.at(t, stack, 'user', { socketUrl: cable.url });
  const ravi = await Person.at(t, stack, 'provider');
  const callsBefore = (await stack.calls()).length;
  await talk(asha, ravi);
  await hearEachOther(asha, ravi);
  return { stack, cable, asha, ravi, callsBefore };
}

test('a socket that breaks during a call does not break the call', async (t) => {
  const { stack, cable, asha, ravi, callsBefore } = await talking(t);
  const callId = asha.callId();
  const joins = asha.frames.filter(({ name }) => name === 'joined').length;

  cable.cut();
  await asha.isCutOff();
  await hearEachOther(asha, ravi);
  await asha.sees('Connected');
  await asha.looksAt('active-without-socket');
  cable.mend();
  await asha.isOnline();
  await hearEachOther(asha, ravi);

  assert.equal(asha.frames.filter(({ name }) => name === 'joined').length, joins + 1);
  for (const person of [asha, ravi]) {
    const said = (await person.moments()).map(({ what }) => what);
    assert.ok(!said.includes('Reconnecting…'), said.join(' | '));
    assert.equal(await person.connectionsMade(), 1);
    assert.equal(person.callId(), callId);
  }

  await asha.press('End call');
  await Promise.all([asha.sees('Call ended'), ravi.sees('Call ended')]);
  await Promise.all([asha.isQuiet(), ravi.isQuiet()]);
  const [row, ...others] = await stack.calls();
  assert.equal(others.length, callsBefore, 'one row for the call');
  assert.deepEqual([row?.id, row?.call_status], [callId, 'completed']);
});

test('who hangs up while the socket is gone is free at once, and the other side hears of it', async (t) => {
  const { stack, cable, asha, ravi, callsBefore } = await talking(t);
  const callId = asha.callId();

  cable.cut();
  await asha.isCutOff();
  await asha.press('End call');
  await asha.sees('Call ended');
  await asha.isQuiet();
  assert.equal((await stack.calls()).length, callsBefore, 'the server cannot know yet');
  cable.mend();

  await ravi.sees('Call ended');
  await ravi.isQuiet();
  const [row, ...others] = await until('the call is in the history', async () => {
    const rows = await stack.calls();
    return rows.length > callsBefore && rows;
  });
  assert.equal(others.length, callsBefore, 'one row for the call');
  assert.deepEqual([row?.id, row?.call_status], [callId, 'completed']);
});

test('who is hung up on while the socket is gone is told when it is back', async (t) => {
  const { cable, asha, ravi } = await talking(t);
  cable.cut();
  await asha.isCutOff();
  await ravi.press('End call');
  await ravi.isQuiet();
  cable.mend();
  await asha.sees('Call ended');
  await asha.isQuiet();
});
