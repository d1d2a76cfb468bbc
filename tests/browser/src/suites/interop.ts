/** Calls with a WebRTC implementation that is no browser's, over the same signaling. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { Coturn } from '../support/coturn.js';
import { Peer } from '../support/peer.js';
import { Person } from '../support/person.js';
import { Stack } from '../support/stack.js';
import { until } from '../support/until.js';

type End = 'browser' | 'peer';

test('a peer that is no browser answers Chromium and calls it', async (t) => {
  const coturn = await coturnOf(t);
  const stack = await stackOf(t, 'interop', { STUN_URLS: `stun:127.0.0.1:${coturn.port}` });
  await call(t, stack, { from: 'browser', endedBy: 'browser' });
  await call(t, stack, { from: 'peer', endedBy: 'peer' });
});

test('a peer that is no browser, through relays only', async (t) => {
  const coturn = await coturnOf(t);
  const stack = await stackOf(t, 'interop-relay', coturn.settings);
  await call(t, stack, { from: 'browser', endedBy: 'peer', candidates: 'relay' });
  await call(t, stack, { from: 'peer', endedBy: 'browser', candidates: 'relay' });
});

interface Plan {
  /** Who calls. */
  from: End;
  endedBy: End;
  /** The type that all of the peer's candidates are to have. */
  candidates?: string;
}

/** One call of Asha's to Ravi, from ringing to the history. */
async function call(t: TestContext, stack: Stack, { from, endedBy, candidates }: Plan) {
  const before = (await stack.calls()).length;
  const [app, user] = from === 'browser' ? (['user', 'ravi'] as const) : (['provider', 'asha'] as const);
  const person = await Person.at(t, stack, app);
  const peer = await Peer.start(t, stack, user, from === 'browser' ? 'answer' : 'call');
  if (from === 'browser') {
    await person.call();
    await peer.tells('incoming', ({ callerName }) => callerName === 'Asha');
  } else {
    await peer.tells('ringing', ({ receiverName }) => receiverName === 'Ravi');
    await person.press('Accept');
  }
  await Promise.all([person.sees('Connected'), peer.tells('connected')]);
  const [browserHeard, peerHeard] = await Promise.all([person.hears(), peer.hears()]);
  if (candidates !== undefined) {
    await until(`every candidate of the peer is a ${candidates}`, async () => {
      const { remoteCandidates } = await person.statistics();
      return remoteCandidates.length > 0 && remoteCandidates.every((type) => type === candidates);
    });
  }

  if (endedBy === 'browser') await person.press('End call');
  else peer.hangUp();
  await Promise.all([person.sees('Call ended'), person.isQuiet()]);
  const ended = await peer.tells('ended');
  await peer.leaves();

  assert.equal(ended['reason'], 'hangup');
  assert.equal(ended['endedBy'], from === endedBy ? 'asha' : 'ravi');
  const rows = await stack.calls();
  assert.equal(rows.length, before + 1);
  const [row] = rows;
  assert.equal(row?.id, person.callId());
  assert.equal(row?.call_status, 'completed');
  assert.equal(row?.caller_type, 'user');
  assert.equal(row?.duration, ended['duration']);
  await person.leave();
  const heard = `Chromium heard ${browserHeard.toFixed(3)}, the peer ${peerHeard.toFixed(3)}`;
  t.diagnostic(`the ${from} calls, the ${endedBy} hangs up; audio energy: ${heard}`);
}

async function coturnOf(t: TestContext): Promise<Coturn> {
  const coturn = await Coturn.start();
  t.after(() => coturn.kill());
  return coturn;
}

async function stackOf(t: TestContext, name: string, settings: Record<string, string>): Promise<Stack> {
  const stack = await Stack.start(name, settings);
  t.after(() => stack.stop());
  return stack;
}
