/** Calls that go through a TURN server only, and what happens when that is cut off. */

import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { Coturn, RELAY_ADDRESS } from '../support/coturn.js';
import { range } from '../support/figures.js';
import { type Frame, Person, hearEachOther, talk } from '../support/person.js';
import { Stack } from '../support/stack.js';
import { until } from '../support/until.js';

const CALLS = 4;
const CUT = 8_000;

interface Scene {
  coturn: Coturn;
  stack: Stack;
  asha: Person;
  ravi: Person;
}

/** Two people whose calls all go through a TURN server of their own. */
async function scene(t: TestContext, name: string): Promise<Scene> {
  const coturn = await Coturn.start();
  t.after(() => coturn.kill());
  const stack = await Stack.start(name, coturn.settings);
  t.after(() => stack.stop());
  const asha = await Person.at(t, stack, 'user');
  const ravi = await Person.at(t, stack, 'provider');
  return { coturn, stack, asha, ravi };
}

test('calls through a TURN server show nobody an address but its own', async (t) => {
  const { stack, asha, ravi } = await scene(t, 'relay');
  const energies: number[] = [];
  for (let round = 1; round <= CALLS; round++) {
    const [caller, receiver] = round % 2 === 1 ? [asha, ravi] : [ravi, asha];
    await talk(caller, receiver);
    energies.push(...(await hearEachOther(caller, receiver)));
    for (const person of [caller, receiver]) {
      await until('every candidate of the other side is a relay', async () => {
        const { remoteCandidates } = await person.statistics();
        return remoteCandidates.length > 0 && remoteCandidates.every((type) => type === 'relay');
      });
    }
    await caller.press('End call');
    await Promise.all([caller.sees('Call ended'), receiver.sees('Call ended')]);
    await Promise.all([caller.press('Close'), receiver.press('Close')]);
    assert.equal((await stack.calls()).length, round);
  }
  for (const person of [asha, ravi]) {
    assert.deepEqual(new Set(addressesSeen(person)), new Set([RELAY_ADDRESS]));
  }
  t.diagnostic(range('audio energy heard at each end, through relays', energies, 3));
});

// Side by side, because they mostly wait; each has a server of its own to cut off.
describe('when the path is cut', { concurrency: true }, () => {
  test('a TURN server that starts anew is used anew, within the same call', async (t) => {
    const { coturn, stack, asha, ravi } = await scene(t, 'turn-restart');
    await talk(asha, ravi);
    await hearEachOther(asha, ravi);
    const callId = asha.callId();
    const offers = offersSent(asha);

    await coturn.kill();
    const another = await Coturn.start(coturn.port);
    t.after(() => another.kill());
    await until('ICE is restarted', () => offersSent(asha) > offers);
    await hearEachOther(asha, ravi);
    await Promise.all([asha.sees('Connected'), ravi.sees('Connected')]);

    for (const person of [asha, ravi]) {
      assert.equal(person.callId(), callId);
      assert.equal(await person.connectionsMade(), 1);
      assert.deepEqual(new Set(addressesSeen(person)), new Set([RELAY_ADDRESS]));
    }
    await asha.press('End call');
    await ravi.sees('Call ended');
    const rows = await stack.calls();
    assert.deepEqual(rows.map(({ id, call_status }) => [id, call_status]), [[callId, 'completed']]);
  });

  test('a path that is cut for eight seconds comes back within the same call', async (t) => {
    const { coturn, stack, asha, ravi } = await scene(t, 'cut');
    await talk(asha, ravi);
    await hearEachOther(asha, ravi);
    const callId = asha.callId();

    coturn.pause();
    // This is not to wait for anything: it is how long the path is cut.
    await pause(CUT);
    coturn.resume();

    await hearEachOther(asha, ravi);
    await Promise.all([asha.sees('Connected'), ravi.sees('Connected')]);
    for (const person of [asha, ravi]) {
      const said = (await person.moments()).map(({ what }) => what);
      assert.ok(said.includes('Reconnecting…'), `what was said meanwhile: ${said.join(' | ')}`);
      assert.equal(person.callId(), callId);
      assert.equal(await person.connectionsMade(), 1);
    }
    assert.deepEqual(await stack.calls(), [], 'the call is not over');
    t.diagnostic(`ICE restarts that the cut took: ${offersSent(asha) - 1}`);

    await ravi.press('End call');
    await asha.sees('Call ended');
    const rows = await stack.calls();
    assert.deepEqual(rows.map(({ id, call_status }) => [id, call_status]), [[callId, 'completed']]);
  });

  test('a path that is cut for good ends the call at both sides', async (t) => {
    const { coturn, stack, asha, ravi } = await scene(t, 'cut-for-good');
    await talk(asha, ravi);
    await hearEachOther(asha, ravi);
    const callId = asha.callId();

    await coturn.kill();
    await Promise.all([asha.sees('Reconnecting…'), ravi.sees('Reconnecting…')]);
    await asha.looksAt('active-reconnecting');
    await isLost(asha, ravi);
    await asha.looksAt('ended-lost-caller');
    await ravi.looksAt('ended-lost-receiver');
    const rows = await until('the call is in the history', async () => {
      const found = await stack.calls();
      return found.length > 0 && found;
    });
    assert.deepEqual(rows.map(({ id, call_status }) => [id, call_status]), [[callId, 'completed']]);
    await asha.canPress('Close', 'Call again');
    await ravi.canPress('Close');

    // There is still no path: this one does not get that far.
    await asha.press('Call again');
    await ravi.press('Accept');
    await Promise.all([asha.sees('Connecting…'), ravi.sees('Connecting…')]);
    await ravi.looksAt('connecting');
    await isLost(asha, ravi);
  });
});

/** The call has ended at both, is silent, and says what to do. */
async function isLost(...people: Person[]): Promise<void> {
  for (const person of people) {
    await person.sees('The connection was lost');
    await person.sees('No sound gets through. Try another network, or turn a VPN off, then try again.');
    await person.isQuiet();
  }
}

/** How many offers somebody has sent. */
function offersSent(person: Person): number {
  return person.frames.filter(({ way, name }) => way === 'sent' && name === 'callOffer').length;
}

/** The addresses in all frames that somebody has received. */
function addressesSeen(person: Person): string[] {
  return person.frames.filter(({ way }) => way === 'received').flatMap(addresses);
}

/** The addresses in a frame. Two lines of a description look like some: `o=` has to have one and
 * is always the same (RFC 9429, section 5.2.1), and fingerprints are made of hexadecimal pairs. */
function addresses({ data }: Frame): string[] {
  const text = JSON.stringify(data)
    .replaceAll(/o=- \d+ \d+ IN IP4 127\.0\.0\.1/g, '')
    .replaceAll(/a=fingerprint:[^\\]*/g, '');
  const found = text.match(/\b(\d{1,3}(\.\d{1,3}){3}|[\w-]+\.local|([\da-f]{0,4}:){3,}[\da-f]*)\b/gi);
  // What stands where there is no address.
  return (found ?? []).filter((one) => one !== '0.0.0.0');
}
