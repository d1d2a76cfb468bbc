/** How calls end, and begin not at all: what each side is told. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Cable } from '../support/cable.js';
import { Person, hearEachOther, talk } from '../support/person.js';
import { impatientStack, plainStack } from '../support/shared.js';
import type { Stack } from '../support/stack.js';
import { until } from '../support/until.js';

const TOM = { id: 'tom', name: 'Tom', bookings: ['demo-wheel'] };

test('two devices ring, one answers, the other falls silent', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  const [phone, laptop] = [await Person.at(t, stack, 'provider'), await Person.at(t, stack, 'provider')];
  await asha.call();
  for (const device of [phone, laptop]) {
    await device.sees('Incoming call');
    await device.canPress('Decline', 'Accept');
  }
  await phone.looksAt('incoming');
  assert.equal(await asha.screen.getByRole('heading').innerText(), 'Ravi');

  await phone.press('Accept');
  await laptop.sees('The call is on another of your devices');
  await laptop.canPress('Close');
  await laptop.looksAt('ended-answered-elsewhere');
  await hearEachOther(asha, phone);
  assert.equal(await laptop.connectionsMade(), 0);
  assert.equal(await laptop.openMicrophones(), 0);

  await phone.press('End call');
  await asha.sees('Call ended');
  await laptop.press('Close');
  await laptop.seesNoCall();
});

test('the receiver declines', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await pair(t, stack);
  await asha.call();
  await ravi.sees('Incoming call');
  await asha.sees('Ringing…');
  await asha.canPress('Cancel');
  await asha.looksAt('outgoing-ringing');
  await ravi.press('Decline');
  await asha.sees('Ravi declined the call');
  await ravi.sees('You declined the call');
  await both(asha, ravi, (person) => person.isQuiet());
  await asha.looksAt('ended-declined-caller');
  await ravi.looksAt('ended-declined-receiver');
  await newest(stack, asha.callId(), 'rejected');
});

test('the caller gives up', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await pair(t, stack);
  await ravi.call();
  await asha.sees('Incoming call');
  await ravi.press('Cancel');
  await ravi.sees('Call canceled');
  await asha.sees('Missed call');
  await ravi.looksAt('ended-canceled-caller');
  await asha.looksAt('ended-missed');
  await both(asha, ravi, (person) => person.isQuiet());
  await newest(stack, asha.callId(), 'missed');
});

test('nobody answers', async (t) => {
  const stack = await impatientStack();
  const [asha, ravi] = await pair(t, stack);
  await asha.call();
  await ravi.sees('Incoming call');
  await asha.sees('Ravi did not answer');
  await asha.canPress('Close', 'Call again');
  await asha.looksAt('ended-not-answered');
  await ravi.sees('Missed call');
  await both(asha, ravi, (person) => person.isQuiet());
  await newest(stack, asha.callId(), 'missed');
  await until('the list shows it', async () => {
    await both(asha, ravi, (person) => person.page.keyboard.press('Escape'));
    return (await ravi.page.getByText('Missed', { exact: true }).count()) > 0;
  });
  await ravi.seesNoCall();
  await ravi.looksAt('app-provider-missed-call');
});

test('the receiver is in another call', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await pair(t, stack);
  const tom = await Person.at(t, stack, 'user', { as: TOM });
  await talk(asha, ravi);
  await tom.call('New front wheel');
  await tom.sees('Ravi is in another call');
  await tom.canPress('Close', 'Call again');
  await tom.looksAt('ended-busy');
  await tom.isQuiet();
  await hearEachOther(asha, ravi);
  await both(asha, ravi, (person) => person.sees('Connected'));
  assert.equal(await tom.connectionsMade(), 1, 'the offer is made while it rings');

  await asha.press('End call');
  await ravi.sees('Call ended');
  await ravi.press('Close');
  await tom.press('Call again');
  await ravi.press('Accept');
  await hearEachOther(tom, ravi);
  await tom.press('End call');
  await ravi.sees('Call ended');
});

test('the receiver has no app open', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  await asha.call('Piano lesson');
  await asha.sees('Meera cannot be reached right now');
  await asha.canPress('Close', 'Call again');
  await asha.looksAt('ended-out-of-reach');
  await asha.isQuiet();
});

test('nobody is rung while the caller is asked for the microphone', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user', { microphone: 'asked for' });
  const ravi = await Person.at(t, stack, 'provider');
  await asha.call();
  await asha.sees('Calling…');
  await asha.looksAt('outgoing-calling');
  await asha.press('Cancel');
  await asha.sees('Call canceled');
  assert.deepEqual([...asha.callFrames(), ...ravi.callFrames()], []);
});

for (const [microphone, words] of [
  ['NotAllowedError', /^The microphone is blocked\. Allow it/],
  ['NotFoundError', /^No microphone was found\. Connect one/],
] as const) {
  test(`a caller without a microphone rings nobody (${microphone})`, async (t) => {
    const stack = await plainStack();
    const asha = await Person.at(t, stack, 'user', { microphone });
    const ravi = await Person.at(t, stack, 'provider');
    await asha.call();
    await asha.sees('The call could not begin');
    await asha.screen.getByText(words).waitFor();
    if (microphone === 'NotAllowedError') await asha.looksAt('outgoing-no-microphone');
    await asha.canPress('Close', 'Call again');
    assert.deepEqual([...asha.callFrames(), ...ravi.callFrames()], []);
    await ravi.seesNoCall();
  });

  test(`a receiver without a microphone is told, and can still decline (${microphone})`, async (t) => {
    const stack = await plainStack();
    const asha = await Person.at(t, stack, 'user');
    const ravi = await Person.at(t, stack, 'provider', { microphone });
    await asha.call();
    await ravi.press('Accept');
    await ravi.screen.getByText(words).waitFor();
    if (microphone === 'NotAllowedError') await ravi.looksAt('incoming-no-microphone');
    await ravi.canPress('Decline', 'Accept');
    await asha.sees('Ringing…');
    await ravi.press('Decline');
    await asha.sees('Ravi declined the call');
    await asha.isQuiet();
  });
}

test('a page that is closed during a call hangs up', async (t) => {
  const stack = await plainStack();
  const [asha, ravi] = await pair(t, stack);
  await talk(asha, ravi);
  await hearEachOther(asha, ravi);
  const callId = asha.callId();
  await ravi.leave();
  await asha.sees('Call ended');
  await asha.isQuiet();
  await newest(stack, callId, 'completed');
});

test('a page that is closed while it rings there lets other devices ring on', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  const [phone, laptop] = [await Person.at(t, stack, 'provider'), await Person.at(t, stack, 'provider')];
  await asha.call();
  await both(phone, laptop, (device) => device.sees('Incoming call'));
  await phone.leave();
  await laptop.press('Accept');
  await hearEachOther(asha, laptop);
  await asha.press('End call');
  await laptop.sees('Call ended');
});

test('both call at once, and it is one call', async (t) => {
  const stack = await plainStack();
  const cable = await Cable.to(stack.socketUrl);
  t.after(() => cable.remove());
  const asha = await Person.at(t, stack, 'user', { socketUrl: cable.url });
  const ravi = await Person.at(t, stack, 'provider', { socketUrl: cable.url });
  const before = (await stack.calls()).length;
  // Neither hears of the other's call before their own is under way.
  cable.hold();
  await both(asha, ravi, async (person) => {
    await person.call();
    await until('their call is sent', () => person.callFrames().length > 0);
  });
  cable.letThrough();
  await both(asha, ravi, (person) => person.sees('Connected'));
  await hearEachOther(asha, ravi);
  assert.equal(asha.callId(), ravi.callId());
  await asha.press('End call');
  await ravi.sees('Call ended');
  assert.equal((await stack.calls()).length, before + 1);
});

async function pair(t: Parameters<typeof Person.at>[0], stack: Stack): Promise<[Person, Person]> {
  return [await Person.at(t, stack, 'user'), await Person.at(t, stack, 'provider')];
}

async function both<T>(one: Person, other: Person, act: (person: Person) => Promise<T>): Promise<void> {
  await Promise.all([act(one), act(other)]);
}

/** The booking's newest call is that one, and ended so. */
async function newest(stack: Stack, callId: string, status: string): Promise<void> {
  const row = await until('the call is in the history', async () => {
    return (await stack.calls()).find(({ id }) => id === callId);
  });
  assert.equal(row.call_status, status);
}
