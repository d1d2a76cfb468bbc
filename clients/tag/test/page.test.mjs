// The page under its script: what can be seen and pressed, and where the focus is. The client
// stands in for the package's own, which has tests of its own; the page is as the server sends it.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { build } from 'esbuild';
import { Window } from 'happy-dom';

const standIn = {
  name: 'stand-in',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /js\/src\/index\.js$/ }, ({ path }) => ({ path, namespace: 'stand-in' }));
    const contents = 'export const createMaskline = (options) => globalThis.makeClient(options);';
    onLoad({ filter: /.*/, namespace: 'stand-in' }, () => ({ contents }));
  },
};
const built = await build({
  entryPoints: [new URL('../src/main.ts', import.meta.url).pathname],
  bundle: true,
  write: false,
  format: 'iife',
  plugins: [standIn],
});
const script = built.outputFiles[0].text;

const PAGE = `<main><h1>Van</h1>
<div class="telephone"><a class="call" id="phone" href="tel:+14155550111">Call (masked)</a>
<p>Hint</p></div>
<div id="web" data-visits="/t/van/visits" hidden>
<button class="call web" type="button">Call in the browser</button>
<p role="status">Free of charge, over the internet.</p>
</div></main>`;
const OPEN = 10 * 60_000;
const VISIT = { token: 't', userId: 'visitor:1', bookingId: 'visit:1', socketUrl: 'wss://s/live' };

let window, calls, clients, answer, everySecond;

/** Loads the page with the script, in a browser that can make calls or not. */
function load(able = true) {
  window?.happyDOM.abort();
  window = new Window({ url: 'https://m.example/t/van' });
  window.document.body.innerHTML = PAGE;
  Object.assign(globalThis, {
    document: window.document,
    location: window.location,
    fetch: async (url, { method }) => {
      calls.push(`${method} ${url}`);
      return answer();
    },
    setInterval: (act) => (everySecond = act),
    makeClient,
  });
  const navigator = able ? { mediaDevices: {} } : {};
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  if (able) globalThis.RTCPeerConnection = class {};
  new Function(script)();
}

/** A client whose one call is what the test says it is. */
function makeClient(options) {
  const client = {
    options,
    snapshot: { status: 'idle', muted: false, audioBlocked: false },
    connect: () => calls.push('connect'),
    close: () => calls.push('close'),
    call: (bookingId) => {
      calls.push(`call ${bookingId}`);
      return {
        getSnapshot: () => client.snapshot,
        subscribe: (listener) => (client.tell = listener),
        initiate: async () => calls.push('initiate'),
        accept: async () => calls.push('accept'),
        resumeAudio: async () => calls.push('resumeAudio'),
        toggleMute: () => calls.push('toggleMute'),
        end: () => calls.push('end'),
      };
    },
    becomes: (snapshot) => {
      client.snapshot = { ...client.snapshot, ...snapshot };
      client.tell();
    },
  };
  clients.push(client);
  return client;
}

/** The server's answer to a request for a visit. */
const opened = () => {
  const expiresAt = new Date(Date.now() + OPEN).toISOString();
  return new Response(JSON.stringify({ ...VISIT, expiresAt }), { status: 201 });
};

const seen = () => {
  const shown = [...document.querySelectorAll('#phone, #web button')].filter(
    (one) => !one.closest('[hidden]'),
  );
  return shown.map((one) => one.textContent);
};
const said = () => document.querySelector('[role=status]').textContent;
const focused = () => document.activeElement.textContent;
const press = async (words) => {
  const buttons = [...document.querySelectorAll('#web button')];
  buttons.find((one) => one.textContent === words && !one.hidden).click();
  await new Promise((resolve) => setImmediate(resolve));
};

beforeEach(() => {
  calls = [];
  clients = [];
  answer = opened;
});

test('nothing is offered where there can be no call', () => {
  delete globalThis.RTCPeerConnection;
  load(false);
  assert.equal(document.getElementById('web').hidden, true);
});

test('a call from the click to the end', async () => {
  load();
  assert.equal(document.getElementById('web').hidden, false);
  assert.deepEqual(seen(), ['Call (masked)', 'Call in the browser']);
  await press('Call in the browser');
  assert.deepEqual(calls, ['POST /t/van/visits', 'connect', 'call visit:1', 'initiate']);
  const [client] = clients;
  const { getToken, ...options } = client.options;
  const expected = { socketUrl: VISIT.socketUrl, apiUrl: 'https://m.example', userId: 'visitor:1' };
  assert.deepEqual([options, getToken()], [expected, 't']);
  client.becomes({ status: 'ringing', direction: 'outgoing' });
  assert.deepEqual([said(), seen(), focused()], ['Ringing the owner …', ['Cancel'], 'Cancel']);

  client.becomes({ status: 'connected', acceptedAt: Date.now() - 65_000, audioBlocked: true });
  assert.equal(document.querySelector('.time').textContent, '1:05');
  assert.deepEqual(seen(), ['Turn the sound on', 'Mute', 'Hang up']);
  for (const words of ['Turn the sound on', 'Mute', 'Hang up']) await press(words);
  assert.deepEqual(calls.slice(4), ['resumeAudio', 'toggleMute', 'end']);
  client.becomes({ muted: true, audioBlocked: false });
  const mute = [...document.querySelectorAll('button')].find((one) => one.textContent === 'Mute');
  assert.equal(mute.getAttribute('aria-pressed'), 'true');

  client.becomes({ status: 'ended', reason: 'hangup' });
  assert.deepEqual(seen(), ['Call (masked)', 'Call in the browser']);
  assert.deepEqual([said(), focused()], ['The call has ended.', 'Call in the browser']);
});

test('where nobody picks up, the telephone comes first; then everything is as before', async () => {
  load();
  await press('Call in the browser');
  clients[0].becomes({ status: 'ended', direction: 'outgoing', reason: 'timeout' });
  assert.equal(focused(), 'Call (masked)');
  const order = [...document.getElementById('web').children].map((one) => one.id || one.className);
  assert.deepEqual(order.slice(0, 3), ['', 'telephone', 'call web']);
  // Again: another visit, and the first client is gone.
  await press('Call in the browser');
  assert.equal(calls.filter((what) => what.startsWith('POST')).length, 2);
  assert.ok(calls.includes('close'));
  clients[1].becomes({ status: 'ended', reason: 'hangup', acceptedAt: 1 });
  assert.equal(document.querySelector('.telephone').parentNode.localName, 'main');
  assert.deepEqual(seen(), ['Call (masked)', 'Call in the browser']);
});

test('the owner calls back', async () => {
  load();
  await press('Call in the browser');
  clients[0].becomes({ status: 'ended', direction: 'outgoing', reason: 'rejected' });
  clients[0].becomes({ status: 'ringing', direction: 'incoming' });
  assert.deepEqual([seen(), focused()], [['Answer', 'Decline'], 'Answer']);
  await press('Answer');
  assert.equal(calls.at(-1), 'accept');
});

test('a page left open keeps its connection while a call can begin or goes on', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  load();
  await press('Call in the browser');
  const [client] = clients;
  const closed = () => calls.filter((what) => what === 'close').length;
  client.becomes({ status: 'ended', direction: 'outgoing', reason: 'rejected' });
  t.mock.timers.setTime(OPEN - 1);
  everySecond();
  assert.equal(closed(), 0);
  // The owner calls back in time.
  client.becomes({ status: 'ringing', direction: 'incoming', reason: undefined });
  t.mock.timers.setTime(2 * OPEN);
  for (const status of ['ringing', 'connecting', 'connected']) {
    client.becomes({ status });
    everySecond();
    assert.equal(closed(), 0, status);
  }
  client.becomes({ status: 'ended', reason: 'hangup', acceptedAt: 1 });
  everySecond();
  assert.equal(closed(), 1);
  // What comes next has a visit of its own.
  await press('Call in the browser');
  everySecond();
  assert.equal(clients[1].snapshot.status, 'idle');
  assert.deepEqual([clients.length, closed()], [2, 1]);
  t.mock.timers.setTime(3 * OPEN);
  everySecond();
  assert.equal(closed(), 2);
});

test('given up before there is a visit', async () => {
  let visit;
  answer = () => new Promise((resolve) => (visit = resolve));
  load();
  await press('Call in the browser');
  assert.deepEqual([seen(), focused()], [['Cancel'], 'Cancel']);
  await press('Cancel');
  assert.equal(said(), 'You ended the call.');
  visit(opened());
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([clients.length, said()], [0, 'You ended the call.']);
});

test('no visit', async () => {
  const refused = (status, headers) => () => new Response('{}', { status, headers });
  for (const [refuse, words, next] of [
    [refused(429, { 'retry-after': '42' }), /42 seconds/, 'Call (masked)'],
    [refused(404), /cannot be reached any more/, 'Call in the browser'],
    [refused(503), /Something went wrong/, 'Call (masked)'],
    [() => Promise.reject(new TypeError('Failed to fetch')), /no connection/, 'Call (masked)'],
    [() => new Response('<html>', { status: 201 }), /no connection/, 'Call (masked)'],
  ]) {
    answer = refuse;
    load();
    await press('Call in the browser');
    await new Promise((resolve) => setTimeout(resolve));
    assert.match(said(), words);
    assert.deepEqual([clients.length, focused()], [0, next]);
  }
});
