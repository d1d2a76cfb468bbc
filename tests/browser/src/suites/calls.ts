/** Calls that go well. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, spread } from '../support/figures.js';
import { Person, hearEachOther, talk } from '../support/person.js';
import type { Moment } from '../support/recorder.js';
import { plainStack } from '../support/shared.js';
import { until } from '../support/until.js';

const CALLS = 20;
/** Of an audio call on a plain network, both sides' together: every frame is paid for. */
const MOST_FRAMES = 12;

test('twenty calls in a row, in both directions', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await Promise.all([
    Person.at(t, stack, 'user'),
    Person.at(t, stack, 'provider'),
  ]);
  const before = (await stack.calls()).length;
  const times = { ringing: [] as number[], accepted: [] as number[], called: [] as number[] };
  const frames = { sent: [] as number[], received: [] as number[] };
  const energies: number[] = [];

  for (let round = 1; round <= CALLS; round++) {
    const [caller, receiver] = round % 2 === 1 ? [asha, ravi] : [ravi, asha];
    const callerType = caller === asha ? 'user' : 'provider';
    const seen = await Promise.all([caller, receiver].map(mark));

    await talk(caller, receiver);
    energies.push(...(await hearEachOther(caller, receiver)));
    await (round % 4 < 2 ? caller : receiver).press('End call');
    await Promise.all([caller.sees('Call ended'), receiver.sees('Call ended')]);
    await Promise.all([caller.isQuiet(), receiver.isQuiet()]);

    const rows = await stack.calls();
    assert.equal(rows.length, before + round, 'one row for each call');
    const [row] = rows;
    assert.equal(row?.id, caller.callId());
    assert.equal(row?.call_status, 'completed');
    assert.equal(row?.caller_type, callerType);

    const [called, taken] = await Promise.all([caller, receiver].map((one, at) => since(one, seen[at]!)));
    const calls = momentOf(called!.moments, 'click', 'Call');
    const accepts = momentOf(taken!.moments, 'click', 'Accept');
    const connected = [called!, taken!].map(({ moments }) => momentOf(moments, 'phase', 'active'));
    times.ringing.push(momentOf(taken!.moments, 'phase', 'incoming') - calls);
    times.accepted.push(Math.max(...connected) - accepts);
    times.called.push(Math.max(...connected) - calls);
    for (const way of ['sent', 'received'] as const) {
      const all = [...called!.frames, ...taken!.frames].filter((frame) => frame.way === way);
      const names = all.map(({ name }) => name).join(' ');
      assert.ok(all.length <= MOST_FRAMES, `${all.length} frames ${way}: ${names}`);
      frames[way].push(all.length);
    }
    await Promise.all([caller.press('Close'), receiver.press('Close')]);
    await Promise.all([caller.seesNoCall(), receiver.seesNoCall()]);
  }

  t.diagnostic(spread('click on Call to ringing', times.ringing));
  t.diagnostic(spread('click on Accept to connected at both ends', times.accepted));
  t.diagnostic(spread('click on Call to connected at both ends', times.called));
  t.diagnostic(range('frames sent by both apps, per call', frames.sent));
  t.diagnostic(range('frames received by both apps, per call', frames.received));
  t.diagnostic(range('audio energy heard at each end', energies, 3));
});

test('who is muted is not heard', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await Promise.all([
    Person.at(t, stack, 'user'),
    Person.at(t, stack, 'provider'),
  ]);
  await talk(asha, ravi);
  await hearEachOther(asha, ravi);
  // Measured every five seconds.
  await ravi.screen.getByRole('img', { name: /connection$/ }).waitFor();
  await ravi.looksAt('active');
  await asha.press('Mute');
  assert.equal(await asha.screen.getByRole('button', { name: 'Mute' }).getAttribute('aria-pressed'), 'true');
  await asha.looksAt('active-muted');
  await until('silence, for as long as Asha hears two beeps', async () => {
    const { energy } = await ravi.statistics();
    await asha.hears();
    await asha.hears();
    return (await ravi.statistics()).energy === energy;
  });
  await asha.press('Mute');
  await ravi.hears();
  await ravi.press('End call');
  await asha.sees('Call ended');
  await asha.looksAt('ended');
});

interface Mark {
  frames: number;
  moments: number;
}

async function mark(person: Person): Promise<Mark> {
  return { frames: person.frames.length, moments: (await person.moments()).length };
}

async function since(person: Person, { frames, moments }: Mark) {
  return { frames: person.callFrames(frames), moments: (await person.moments()).slice(moments) };
}

function momentOf(moments: readonly Moment[], kind: Moment['kind'], what: string): number {
  const found = moments.find((one) => one.kind === kind && one.what.startsWith(what));
  assert.ok(found, `${kind} ${what} is not among ${JSON.stringify(moments)}`);
  return found.at;
}
