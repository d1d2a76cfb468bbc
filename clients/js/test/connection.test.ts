/** The connection, with a clock and sockets that the test owns. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CallFrame } from '../src/call.js';
import { type Connection, createConnection } from '../src/connection.js';
import type { Action } from '../src/frames.js';
import { platformWith } from '../src/platform.js';
import type { CallError, KeyValueStorage, Platform } from '../src/types.js';
import { type FakeClock, fakeClock } from './clock.js';
import { FakeSocket } from './sockets.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

let clock: FakeClock;
let storage: KeyValueStorage;
let random: number;
let tokens: number;
let getToken: () => string | Promise<string>;
let live: string | undefined;
let frames: { frame: CallFrame; answers?: Action }[];
let refused: { bookingId: string; action: Action; error: CallError }[];
let statuses: string[];
let connection: Connection;

function connect(): Connection {
  const made: Connection = createConnection({
    url: 'wss://example.com/live',
    userId: 'asha',
    getToken: () => getToken(),
    platform: platformWith({
      WebSocket: FakeSocket as unknown as Platform['WebSocket'],
      clock,
      storage,
      random: () => random,
    }),
    ownCall: () => live,
    onJoin: () => undefined,
    onFrame: (frame, answers) => frames.push({ frame, answers }),
    onRefused: (bookingId, action, error) => refused.push({ bookingId, action, error }),
    onChange: () => statuses.push(made.status),
  });
  return made;
}

beforeEach(() => {
  clock = fakeClock();
  storage = platformWith().storage;
  random = 0.5;
  tokens = 0;
  getToken = () => `token-${++tokens}`;
  live = undefined;
  frames = [];
  refused = [];
  statuses = [];
  FakeSocket.all = [];
  connection = connect();
});
afterEach(() => connection.close());

const socket = (index: number) => FakeSocket.all[index]!;
const last = () => FakeSocket.all.at(-1)!;

async function online(): Promise<FakeSocket> {
  connection.open();
  await clock.pass(0);
  last().welcome();
  return last();
}

describe('connecting', () => {
  test('the token is a subprotocol, and no URL has it', async () => {
    await online();
    expect(socket(0).url).toBe('wss://example.com/live');
    expect(socket(0).protocols).toEqual(['maskline', 'token-1']);
    expect(statuses).toEqual(['connecting', 'online']);
  });

  test('each connect joins, with the call that runs', async () => {
    const first = await online();
    expect(first.frames).toEqual([{ action: 'join', id: 'join', data: { userId: 'asha' } }]);
    live = 'b.1';
    first.cut();
    expect(connection.status).toBe('offline');
    await clock.pass(SECOND);
    socket(1).open();
    expect(socket(1).frames[0]!.data).toEqual({ userId: 'asha', callId: 'b.1' });
  });

  test('opening twice opens one socket, and closing closes it', async () => {
    connection.open();
    await online();
    expect(FakeSocket.all).toHaveLength(1);
    connection.close();
    expect(socket(0).closed).toBe(true);
    await clock.pass(180 * MINUTE);
    expect(FakeSocket.all).toHaveLength(1);
    expect(connection.status).toBe('offline');
  });

  test('closing waits for the end of a call to be answered', async () => {
    const only = await online();
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    connection.send('callEnd', { bookingId: 'c', callId: 'c.1' });
    connection.close();
    expect(connection.status).toBe('offline');
    expect(only.closed).toBe(false);
    only.tell('call:incoming', { bookingId: 'd', callId: 'd.1' });
    expect(frames).toEqual([]);
    const ended = { bookingId: 'b', callId: 'b.1', version: 3 };
    only.tell('call:ended', ended, only.frames[1]!.id);
    expect(only.closed).toBe(false);
    only.tell('call:ended', { ...ended, callId: 'c.1' }, only.frames[2]!.id);
    expect(only.closed).toBe(true);
  });

  test('but not for long', async () => {
    const only = await online();
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    connection.close();
    await clock.pass(3 * SECOND);
    expect(only.closed).toBe(true);
    expect(FakeSocket.all).toHaveLength(1);
  });

  test('it can be opened again', async () => {
    await online();
    connection.close();
    await online();
    expect(connection.status).toBe('online');
    expect(FakeSocket.all).toHaveLength(2);
  });

  test('one that was closed while the token was fetched opens no socket', async () => {
    connection.open();
    connection.close();
    await clock.pass(MINUTE);
    expect(FakeSocket.all).toEqual([]);
  });
});

describe('trying again', () => {
  /** The waits between sockets, each of which comes to nothing. */
  async function waits(count: number, fail = () => last().cut()): Promise<number[]> {
    connection.open();
    const starts: number[] = [];
    while (starts.length < count) {
      await clock.pass(0);
      if (FakeSocket.all.length > starts.length) {
        starts.push(clock.now());
        fail();
      }
      await clock.pass(100);
    }
    return starts.slice(1).map((start, index) => start - starts[index]!);
  }

  test('waits are drawn from twice as much each time, up to half a minute', async () => {
    random = 0.999;
    const longest = await waits(8);
    [2, 4, 8, 16, 30, 30, 30].forEach((seconds, index) => {
      expect(longest[index]).toBeGreaterThan(seconds * SECOND * 0.9);
      expect(longest[index]).toBeLessThanOrEqual(seconds * SECOND + 100);
    });
  });

  test('a refused upgrade asks for a token anew, without a storm', async () => {
    random = 0.5;
    await waits(10);
    expect(tokens).toBe(10);
    expect(FakeSocket.all.map(({ protocols }) => protocols[1])).toEqual(
      Array.from({ length: 10 }, (_, index) => `token-${index + 1}`),
    );
    expect(clock.now()).toBeGreaterThan(90 * SECOND);
  });

  test('a socket that dies young counts as a failure, too', async () => {
    random = 0.999;
    const longer = await waits(5, () => {
      last().welcome();
      last().cut();
    });
    expect(longer[3]).toBeGreaterThan(14 * SECOND);
  });

  test('one that lived begins anew', async () => {
    random = 0.999;
    const short = await waits(5, () => {
      last().welcome();
      const lived = last();
      clock.setTimeout(() => lived.cut(), 20 * SECOND);
    });
    short.forEach((wait) => expect(wait).toBeLessThan(22 * SECOND));
  });

  test('a token that cannot be had is asked for again', async () => {
    getToken = () => Promise.reject(new Error('signed out'));
    connection.open();
    await clock.pass(10 * SECOND);
    expect(FakeSocket.all).toEqual([]);
    expect(connection.status).toBe('offline');
    getToken = () => 'token';
    await clock.pass(20 * SECOND);
    expect(FakeSocket.all[0]!.protocols).toEqual(['maskline', 'token']);
  });

  test('a socket that never opens, and one that is never joined, are given up', async () => {
    connection.open();
    await clock.pass(9.9 * SECOND);
    expect(socket(0).closed).toBe(false);
    await clock.pass(5 * SECOND);
    expect(socket(0).closed).toBe(true);
    socket(1).open();
    await clock.pass(15 * SECOND);
    expect(socket(1).closed).toBe(true);
    expect(FakeSocket.all).toHaveLength(3);
  });

  test('a join that is refused is tried again over another socket', async () => {
    connection.open();
    await clock.pass(0);
    socket(0).open();
    socket(0).answer('join', 'error', { code: 'unavailable', message: '', action: 'join' });
    expect(socket(0).closed).toBe(true);
    await clock.pass(5 * SECOND);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test.each<[string, () => void]>([
    ['opening it again', () => connection.open()],
    ['a frame to be sent', () => connection.send('callAccept', { bookingId: 'b', callId: 'b.1' })],
  ])('%s tries at once', async (_, act) => {
    random = 0.999;
    await waits(6);
    const { length } = FakeSocket.all;
    act();
    await clock.pass(0);
    expect(FakeSocket.all).toHaveLength(length + 1);
    last().welcome();
    expect(connection.status).toBe('online');
  });

  test('one that was opened again waits no longer than at first', async () => {
    random = 0.999;
    await waits(6);
    connection.open();
    await clock.pass(0);
    const { length } = FakeSocket.all;
    last().cut();
    await clock.pass(2 * SECOND);
    expect(FakeSocket.all).toHaveLength(length + 1);
  });

  test('when the network is back, at once', async () => {
    const target = new EventTarget();
    vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
    vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
    random = 0.999;
    await waits(6);
    const { length } = FakeSocket.all;
    target.dispatchEvent(new Event('online'));
    await clock.pass(0);
    expect(FakeSocket.all).toHaveLength(length + 1);
    connection.close();
    target.dispatchEvent(new Event('online'));
    await clock.pass(0);
    expect(FakeSocket.all).toHaveLength(length + 1);
    vi.unstubAllGlobals();
  });
});

describe('staying alive', () => {
  test('a silent socket is pinged every four minutes, a busy one is not', async () => {
    const only = await online();
    await clock.pass(4 * MINUTE);
    expect(only.actions).toEqual(['join', 'ping']);
    only.answer('ping', 'pong');
    await clock.pass(3.9 * MINUTE);
    only.tell('call:ended', { bookingId: 'b', callId: 'b.1' });
    await clock.pass(3.9 * MINUTE);
    expect(only.actions).toEqual(['join', 'ping']);
    await clock.pass(0.2 * MINUTE);
    expect(only.actions).toEqual(['join', 'ping', 'ping']);
  });

  test('without a pong within five seconds another socket takes its place', async () => {
    const dead = await online();
    connection.probe();
    connection.probe();
    expect(dead.actions).toEqual(['join', 'ping']);
    await clock.pass(4.9 * SECOND);
    expect(FakeSocket.all).toHaveLength(1);
    await clock.pass(0.2 * SECOND);
    expect(FakeSocket.all).toHaveLength(2);
    expect(connection.status).toBe('online');
    socket(1).welcome();
    await clock.pass(3 * SECOND);
    expect(dead.closed).toBe(true);
    expect(socket(1).actions).toEqual(['join']);
  });

  test('nothing is told of pings that are not answered', async () => {
    await online();
    connection.probe();
    await clock.pass(MINUTE);
    expect(refused).toEqual([]);
  });
});

describe('rotation', () => {
  test.each([0, 0.999])('another socket is joined before the two hours are over', async (drawn) => {
    random = drawn;
    const old = await online();
    live = 'b.1';
    // Pings are answered meanwhile.
    for (let minute = 0; FakeSocket.all.length === 1; minute++) {
      expect(minute).toBeLessThan(116);
      await clock.pass(MINUTE);
      if (old.actions.at(-1) === 'ping') old.answer('ping', 'pong');
    }
    expect(clock.now()).toBeGreaterThanOrEqual(100 * MINUTE);
    expect(old.closed).toBe(false);
    expect(connection.status).toBe('online');

    const next = socket(1);
    next.open();
    next.answer('join', 'joined', { userId: 'asha' });
    // Until there is word of the call, frames go over the old one.
    connection.send('callOffer', { bookingId: 'b', callId: 'b.1' });
    expect(old.actions.at(-1)).toBe('callOffer');
    next.answer('join', 'call:accepted', { bookingId: 'b', callId: 'b.1', version: 3 });
    expect(frames.map(({ frame }) => frame.event)).toEqual(['call:accepted']);
    connection.send('callOffer', { bookingId: 'b', callId: 'b.1' });
    expect(next.actions.at(-1)).toBe('callOffer');

    // The server takes the old socket for another device of the user.
    old.tell('call:ended', { bookingId: 'b', callId: 'b.1', reason: 'answered_elsewhere' });
    old.tell('call:offer', { bookingId: 'b', callId: 'b.1' });
    expect(frames.map(({ frame }) => frame.event)).toEqual(['call:accepted', 'call:offer']);
    await clock.pass(3 * SECOND);
    expect(old.closed).toBe(true);
    expect(statuses).toEqual(['connecting', 'online']);
  });

  test('one that fails is tried again, and the old socket serves on', async () => {
    const old = await online();
    await clock.pass(120 * MINUTE);
    const tried = FakeSocket.all.length;
    expect(tried).toBeGreaterThan(1);
    last().cut();
    await clock.pass(MINUTE);
    expect(FakeSocket.all.length).toBeGreaterThan(tried);
    connection.send('callEnd', { bookingId: 'b' });
    expect(old.actions).toContain('callEnd');
  });

  test('a claimed call of which there is no word holds nothing up', async () => {
    live = 'b.1';
    connection.open();
    await clock.pass(0);
    socket(0).welcome();
    expect(connection.status).toBe('connecting');
    await clock.pass(SECOND);
    expect(connection.status).toBe('online');
  });
});

describe('frames', () => {
  test('an answer is known by its id', async () => {
    const only = await online();
    connection.send('callInitiate', { bookingId: 'b' });
    only.tell('call:incoming', { bookingId: 'b', callId: 'b.1' });
    only.answer('callInitiate', 'call:ringing', { bookingId: 'b', callId: 'b.2' });
    expect(frames.map(({ answers }) => answers)).toEqual([undefined, 'callInitiate']);
  });

  test('an error is told to the call that the frame was about', async () => {
    const only = await online();
    const error = { code: 'conflict', message: 'you are in another call' } as const;
    connection.send('callInitiate', { bookingId: 'b' });
    only.answer('callInitiate', 'error', { ...error, action: 'callInitiate' });
    connection.send('callOffer', { bookingId: 'c' });
    only.answer('callOffer', 'error', { ...error, action: 'callOffer' });
    expect(refused).toEqual([
      { bookingId: 'b', action: 'callInitiate', error },
      { bookingId: 'c', action: 'callOffer', error },
    ]);
  });

  test('what was not sent for a while is not sent at all, but for ends', async () => {
    connection.send('callInitiate', { bookingId: 'b' });
    connection.send('callAccept', { bookingId: 'c', callId: 'c.1' });
    connection.send('callOffer', { bookingId: 'd', callId: 'd.1' });
    connection.send('callEnd', { bookingId: 'e', callId: 'e.1' });
    connection.send('callReject', { bookingId: 'f', callId: 'f.1' });
    await clock.pass(12 * SECOND);
    expect(refused.map(({ bookingId, error }) => [bookingId, error.code])).toEqual([
      ['b', 'offline'],
      ['c', 'offline'],
    ]);
    await clock.pass(8 * SECOND);
    expect(refused).toHaveLength(3);
    const only = await online();
    await clock.pass(SECOND);
    expect(only.actions).toEqual(['join', 'callEnd', 'callReject']);
  });

  test('what has no answer is sent again over another socket, in order', async () => {
    const first = await online();
    connection.send('callInitiate', { bookingId: 'b' });
    connection.send('callOffer', { bookingId: 'c' });
    connection.send('callEnd', { bookingId: 'd', callId: 'd.1' });
    first.cut();
    await clock.pass(SECOND);
    socket(1).welcome();
    await clock.pass(SECOND);
    expect(socket(1).actions).toEqual(['join', 'callInitiate', 'callEnd']);
    expect(socket(1).frames[1]!.id).toBe(first.frames[1]!.id);
  });

  test('what is forgotten is not sent again, but for ends', async () => {
    const first = await online();
    connection.send('callInitiate', { bookingId: 'b' });
    connection.send('callInitiate', { bookingId: 'c' });
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    connection.forget('b');
    first.cut();
    await clock.pass(SECOND);
    socket(1).welcome();
    await clock.pass(SECOND);
    expect(socket(1).frames.slice(1).map(({ data }) => data)).toEqual([
      { bookingId: 'c' },
      { bookingId: 'b', callId: 'b.1' },
    ]);
  });

  test('a store that is busy is asked again, four times in all', async () => {
    const only = await online();
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    const busy = { code: 'unavailable', message: 'try again', action: 'callEnd' };
    for (let times = 1; times <= 4; times++) {
      expect(only.actions.filter((action) => action === 'callEnd')).toHaveLength(times);
      only.answer('callEnd', 'error', busy);
      await clock.pass(SECOND);
    }
    expect(only.actions.filter((action) => action === 'callEnd')).toHaveLength(4);
    expect(refused).toMatchObject([{ bookingId: 'b', error: { code: 'unavailable' } }]);
  });

  test('a socket that the server does not know any more is replaced', async () => {
    const first = await online();
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    first.answer('callEnd', 'error', { code: 'unauthorized', message: '', action: 'callEnd' });
    expect(first.closed).toBe(true);
    await clock.pass(2 * SECOND);
    socket(1).welcome();
    await clock.pass(SECOND);
    expect(socket(1).actions).toEqual(['join', 'callEnd']);
  });

  test('what is no frame is ignored', async () => {
    const only = await online();
    for (const data of ['', '{', 'null', '3', '[]', '{"event":"call:ended"}']) {
      only.onmessage!({ data });
    }
    only.onmessage!({ data: new ArrayBuffer(2) as unknown as string });
    expect(frames).toEqual([]);
    expect(connection.status).toBe('online');
  });
});

describe('ends survive a reload', () => {
  test('one that was not answered is sent by the next page, and then forgotten', async () => {
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    connection.close();

    connection = connect();
    connection.open();
    await clock.pass(0);
    last().open();
    // It claims the call first: the page before may still count as its device.
    expect(last().frames[0]!.data).toEqual({ userId: 'asha', callId: 'b.1' });
    last().answer('join', 'joined', { userId: 'asha' });
    last().answer('join', 'call:accepted', { bookingId: 'b', callId: 'b.1', version: 4 });
    expect(last().frames[1]).toMatchObject({
      action: 'callEnd',
      data: { bookingId: 'b', callId: 'b.1' },
    });
    last().answer('callEnd', 'call:ended', { bookingId: 'b', callId: 'b.1', version: 5 });
    connection.close();

    connection = connect();
    const only = await online();
    expect(only.actions).toEqual(['join']);
  });

  test('the storage holds no token', async () => {
    const kept: string[] = [];
    storage = { ...storage, setItem: (key, value) => void kept.push(key, value) };
    connection = connect();
    await online();
    connection.send('callEnd', { bookingId: 'b', callId: 'b.1' });
    expect(kept).toEqual(['maskline.ends.asha', '[{"bookingId":"b","callId":"b.1"}]']);
  });
});
