// What the page says, for every state of a call.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';

const built = await build({
  entryPoints: [new URL('../src/words.ts', import.meta.url).pathname],
  bundle: true,
  write: false,
  format: 'esm',
});
const { clock, noVisit, view } = await import(
  `data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString('base64')}`
);

const CALL = { bookingId: 'visit:1', direction: 'outgoing', duration: 0, muted: false };
const ended = (more) => view({ ...CALL, status: 'ended', ...more });

test('while it goes on', () => {
  const seen = [
    { status: 'calling' },
    { status: 'calling', localStream: {} },
    { status: 'ringing' },
    { status: 'connecting' },
    { status: 'connected' },
    { status: 'connected', reconnecting: true },
    { status: 'ringing', direction: 'incoming' },
    { status: 'ringing', direction: 'incoming', error: { code: 'permission_denied' } },
  ].map((state) => {
    const { words, phase, phoneInstead } = view({ ...CALL, ...state });
    assert.equal(phoneInstead, false, words);
    return [phase, words.split('. ')[0]];
  });
  assert.deepEqual(seen, [
    ['during', 'Please allow the microphone …'],
    ['during', 'Calling …'],
    ['during', 'Ringing the owner …'],
    ['during', 'Connecting …'],
    ['talking', 'Connected'],
    ['talking', 'The connection is being restored …'],
    ['incoming', 'The owner is calling you back.'],
    ['incoming', 'The microphone is blocked'],
  ]);
});

test('an owner who was not reached is one to telephone', () => {
  const reasons = ['rejected', 'busy', 'timeout', 'unavailable'];
  const said = reasons.map((reason) => ended({ reason }));
  for (const { words, phase, phoneInstead } of said) {
    assert.equal(phase, 'after');
    assert.ok(phoneInstead && words.endsWith(' You can call by phone instead.'), words);
  }
  assert.equal(new Set(said.map(({ words }) => words)).size, reasons.length);
});

test('an owner who called back is not said to have been called', () => {
  const direction = 'incoming';
  const words = (more) => ended({ direction, ...more }).words;
  for (const reason of ['rejected', 'busy', 'timeout', 'canceled', 'unavailable']) {
    const { words, phase, phoneInstead } = ended({ direction, reason });
    const expected = reason === 'rejected' ? 'You declined the call.' : 'You missed the owner’s call.';
    assert.deepEqual([words, phase, phoneInstead], [expected, 'after', false], reason);
  }
  assert.equal(words({ reason: 'hangup', acceptedAt: 1 }), 'The call has ended.');
  assert.match(words({ reason: 'timeout', acceptedAt: 1 }), /longest time/);
  assert.match(words({ reason: 'failed' }), /^The call was lost\. You can call by phone/);
  assert.match(words({ reason: 'failed', error: { code: 'media_failed' } }), /^The audio did not/);
});

test('after a talk there is nothing more to offer', () => {
  for (const reason of ['hangup', 'timeout', 'answered_elsewhere']) {
    const { words, phoneInstead } = ended({ reason, acceptedAt: 1, duration: 9 });
    assert.ok(!phoneInstead && words.endsWith('ended.'), words);
  }
  assert.equal(ended({ reason: 'canceled' }).words, 'You ended the call.');
  assert.equal(ended({ reason: 'failed', acceptedAt: 1 }).phoneInstead, true);
});

test('every error has words of its own, or says that it has none', () => {
  const codes = [
    'permission_denied',
    'device_not_found',
    'device_in_use',
    'unsupported',
    'media_failed',
    'offline',
    'not_found',
  ];
  const said = codes.map((code) => ended({ reason: 'failed', error: { code } }).words);
  assert.equal(new Set(said).size, codes.length);
  const unknown = ended({ reason: 'failed', error: { code: 'conflict' } });
  assert.match(unknown.words, /^Something went wrong\. You can call by phone/);
});

test('without a visit', () => {
  const words = (code, retryAfter) => noVisit({ code, retryAfter }).words;
  assert.match(words('rate_limited', 42), /in 42 seconds/);
  assert.match(words('rate_limited', 0), /in 2 seconds/);
  assert.match(words('offline'), /no connection/);
  assert.match(words('unavailable'), /Something went wrong/);
  const gone = noVisit({ code: 'not_found' });
  assert.deepEqual([gone.words, gone.phoneInstead], ['This tag cannot be reached any more.', false]);
});

test('the time', () => {
  const seen = [0, 7, 60, 754, 3600, 3723, 36_000].map(clock);
  assert.deepEqual(seen, ['0:00', '0:07', '1:00', '12:34', '1:00:00', '1:02:03', '10:00:00']);
});
