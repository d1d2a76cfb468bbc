/** A tag's visitor, who has no account: from the page behind the QR code to its owner. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { program } from '../support/files.js';
import { Person, hearEachOther } from '../support/person.js';
import { plainStack } from '../support/shared.js';
import { OWNER } from '../support/stack.js';
import { until } from '../support/until.js';

/** Who calls on the simulated telephone network; `make call`'s own default is another one. */
const PHONE_NUMBER = '+14155550142';

test('a visitor calls the owner from the tag’s page, and neither learns who the other is', async (t) => {
  const stack = await plainStack();
  const owner = await Person.at(t, stack, 'owner');
  const visitor = await Person.visiting(t, stack, OWNER.tag);

  await visitor.looksAt('tag-page');
  await visitor.press('Call in the browser');
  await owner.sees('Incoming call');
  assert.equal(await owner.screen.getByRole('heading').innerText(), `Visitor at ${OWNER.label}`);
  await visitor.sees('Ringing the owner …');
  await visitor.canPress('Cancel');
  await visitor.looksAt('tag-page-ringing');
  await owner.looksAt('incoming-visitor');
  await owner.press('Accept');
  await Promise.all([visitor.sees('Connected'), owner.sees('Connected')]);
  await hearEachOther(visitor, owner);
  await visitor.canPress('Mute', 'Hang up');
  await visitor.looksAt('tag-page-talking');

  await visitor.press('Hang up');
  await owner.sees('Call ended');
  await visitor.sees('The call has ended.');
  await Promise.all([visitor.isQuiet(), owner.isQuiet()]);
  await visitor.canPress('Call in the browser');
  await visitor.looksAt('tag-page-ended');

  const [seenByVisitor, seenByOwner] = [await visitor.received(), await owner.received()];
  assert.ok(!seenByVisitor.includes(OWNER.id), 'the visitor’s page was told who the owner is');
  for (const seen of [seenByVisitor, seenByOwner]) {
    assert.ok(!seen.replaceAll(/\s/g, '').includes(OWNER.phone), 'a page was told the owner’s number');
  }
});

test('the owner declines a visitor', async (t) => {
  const stack = await plainStack();
  const owner = await Person.at(t, stack, 'owner');
  const visitor = await Person.visiting(t, stack, OWNER.tag);
  await visitor.press('Call in the browser');
  await owner.press('Decline');
  await visitor.sees(
    'The owner cannot take your call right now. You can call by phone instead.',
  );
  await visitor.isQuiet();
});

test('a visitor without a microphone rings nobody', async (t) => {
  const stack = await plainStack();
  const owner = await Person.at(t, stack, 'owner');
  const visitor = await Person.visiting(t, stack, OWNER.tag, { microphone: 'NotAllowedError' });
  await visitor.press('Call in the browser');
  await visitor.screen.getByText(/^The microphone is blocked/).waitFor();
  await visitor.screen.getByRole('link', { name: 'Call (masked)' }).waitFor();
  await visitor.looksAt('tag-page-NotAllowedError');
  assert.deepEqual(owner.callFrames(), []);
});

test('with the owner out of reach, the page offers the phone call, and that one gets through', async (t) => {
  const stack = await plainStack();
  const visitor = await Person.visiting(t, stack, OWNER.tag);
  await visitor.press('Call in the browser');
  await visitor.sees(
    'The owner cannot be reached in the app right now. You can call by phone instead.',
  );
  await visitor.isQuiet();
  await visitor.looksAt('tag-page-phone-instead');
  const offered = visitor.screen.getByRole('link', { name: 'Call (masked)' });
  assert.equal(await offered.evaluate((link) => link === document.activeElement), true);
  const dialled = (await offered.getAttribute('href')) ?? '';

  const before = (await stack.tagCalls()).length;
  const said = await phoneCall(stack.stateFile);
  // The simulated visitor dials what the page offers: the number, then the extension.
  const [number = '', extension = ''] = dialled.replace('tel:', '').split(',,');
  assert.ok(said.includes(number) && said.includes(extension), `${dialled}\n${said}`);

  const calls = await until('the call is in the tag’s history', async () => {
    const found = await stack.tagCalls();
    return found.length > before && found[0]?.status === 'completed' && found;
  });
  assert.equal(calls.length, before + 1);
  assert.match(calls[0]?.visitorPhone ?? '', /^\+1\*+42$/);

  const owner = await Person.at(t, stack, 'owner');
  await owner.page.getByText(calls[0]?.visitorPhone ?? '').waitFor();
  await owner.looksAt('app-owner');
  assert.ok(!(await visitor.received()).includes(OWNER.id));
  for (const person of [visitor, owner]) {
    const seen = (await person.received()).replaceAll(/\s/g, '');
    for (const whole of [OWNER.phone, PHONE_NUMBER.slice(1)]) assert.ok(!seen.includes(whole));
  }
});

/** As `make call` does it; gives what that prints. */
async function phoneCall(stateFile: string): Promise<string> {
  const env = { ...process.env, STATE_FILE: stateFile };
  const wanted = ['--tag', OWNER.tag, '--from', PHONE_NUMBER, '--talks-for', '42'];
  const { stdout } = await promisify(execFile)(program('call'), wanted, { env });
  return stdout;
}
