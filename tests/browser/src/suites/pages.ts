/** The pages around the calls, and calls without a mouse. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { leastContrast } from '../support/look.js';
import { Person, hearEachOther, talk } from '../support/person.js';
import { plainStack } from '../support/shared.js';
import { OWNER } from '../support/stack.js';

test('the pages can be used by everybody', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  await asha.callButton().waitFor();
  await asha.looksAt('app-user');
  const ravi = await Person.at(t, stack, 'provider');
  await ravi.callButton().waitFor();
  await ravi.looksAt('app-provider');
  await ravi.page.goto(`${stack.url}/demo`);
  await ravi.looksAt('demo');
  const visitor = await Person.visiting(t, stack, 'no-such-tag');
  await visitor.looksAt('tag-page-unknown');
});

test('a call without a mouse', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  const ravi = await Person.at(t, stack, 'provider');
  await asha.callButton().waitFor();

  await asha.tabsTo('Call Ravi');
  await asha.page.keyboard.press('Enter');
  await ravi.sees('Incoming call');
  assert.equal(await ravi.focus(), 'the call screen', 'a key meant for the page must not answer');
  await ravi.page.keyboard.press('Escape');
  await ravi.canPress('Decline', 'Accept');
  await ravi.tabsTo('Accept');
  await ravi.page.keyboard.press('Enter');
  await Promise.all([asha.sees('Connected'), ravi.sees('Connected')]);
  await hearEachOther(asha, ravi);

  await asha.tabsTo('Mute');
  await asha.page.keyboard.press('Space');
  await asha.screen.getByRole('button', { name: 'Mute', pressed: true }).waitFor();
  await asha.page.keyboard.press('Escape');
  await asha.page.keyboard.press('Escape');
  await asha.canPress('Mute', 'End call');
  await asha.tabsTo('End call');
  await asha.page.keyboard.press('Enter');
  await Promise.all([asha.sees('Call ended'), ravi.sees('Call ended')]);
  await asha.page.keyboard.press('Escape');
  await asha.seesNoCall();
  assert.equal(await asha.focus(), 'Call Ravi', 'the focus is back where it was');
});

test('the call screen is there for as long as the call, however often a browser closes it', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  const ravi = await Person.at(t, stack, 'provider');
  await talk(asha, ravi);
  await ravi.asksToClose(4);
  await ravi.canPress('Mute', 'End call');
  assert.equal(await ravi.focus(), 'the call screen');
  await asha.sees('Connected');
  await asha.press('End call');
  await ravi.sees('Call ended');
  await ravi.asksToClose(1);
  await ravi.seesNoCall();
});

test('hints and the mute button can be read over the picture of a video call', async (t) => {
  const stack = await plainStack();
  const asha = await Person.at(t, stack, 'user');
  const ravi = await Person.at(t, stack, 'provider');
  await talk(asha, ravi);
  // The demo apps have no video: the call screen's own elements, as it draws them then.
  await asha.screen.evaluate((dialog) => {
    const videos = '<div class="maskline-videos"><video class="maskline-remote"></video></div>';
    dialog.insertAdjacentHTML('afterbegin', videos);
    const hint = '<p class="maskline-hint">The sound is off.</p>';
    dialog.querySelector('.maskline-party')!.insertAdjacentHTML('beforeend', hint);
  });
  for (const colorScheme of ['light', 'dark'] as const) {
    await asha.page.emulateMedia({ colorScheme });
    const hint = await leastContrast(asha.screen.locator('.maskline-hint'));
    const icon = await leastContrast(asha.screen.locator('[data-action=mute] .maskline-disc'));
    // WCAG 2.2, 1.4.3 for text and 1.4.11 for icons.
    assert.ok(hint >= 4.5 && icon >= 3, `${colorScheme}: ${hint} to 1, ${icon} to 1`);
  }
  await asha.press('End call');
  await ravi.sees('Call ended');
});

test('a visitor’s call without a mouse', async (t) => {
  const stack = await plainStack();
  const owner = await Person.at(t, stack, 'owner');
  const visitor = await Person.visiting(t, stack, OWNER.tag);
  await visitor.tabsTo('Call in the browser');
  await visitor.page.keyboard.press('Enter');
  await owner.sees('Incoming call');
  assert.equal(await visitor.focus(), 'Cancel');
  await visitor.page.keyboard.press('Enter');
  await owner.sees('Missed call');
  await visitor.sees('You ended the call.');
  assert.equal(await visitor.focus(), 'Call in the browser');
});
