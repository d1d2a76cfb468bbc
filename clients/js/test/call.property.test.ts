/** Calls in a world where frames overtake each other, come twice and are lost. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Event, type State, isLive } from '../src/call.js';
import { type Device, type Weather, World } from './model.js';

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const RUNS = 1_000;
console.log(`SEED=${seed} repeats these runs`);

type Act = 'initiate' | 'accept' | 'reject' | 'end' | 'leave' | 'cut' | 'heal';

interface Deed {
  /** Milliseconds after the one before. */
  after: number;
  device: number;
  act: Act;
}

const USERS = ['asha', 'ravi', 'ravi'];

const deeds = (...acts: Act[]) =>
  fc.array(
    fc.record<Deed>({
      after: fc.integer({ min: 0, max: 12_000 }),
      device: fc.nat({ max: USERS.length - 1 }),
      act: fc.constantFrom<Act>(...acts),
    }),
    { minLength: 1, maxLength: 14 },
  );

/** Most begin with a call that is taken; chance alone would bring few that far. */
const begun: Deed[] = [
  { after: 0, device: 0, act: 'initiate' },
  { after: 5_000, device: 1, act: 'accept' },
  { after: 100, device: 2, act: 'accept' },
];

function eventOf(act: Act): Event | undefined {
  switch (act) {
    case 'initiate':
    case 'accept':
      return { type: act, video: false };
    case 'reject':
      return { type: act, reason: 'rejected' };
    case 'end':
    case 'leave':
      return { type: act };
    default:
      return undefined;
  }
}

function granted(one: Device): void {
  one.take({ type: 'prepared', stream: {} as MediaStream, video: false });
}

/** What must hold after every event. */
function lookAt(ended: Map<Device, Set<string>>) {
  return (device: Device, before: State): void => {
    const { snapshot, version } = device.state;
    const over = ended.get(device) ?? new Set();
    ended.set(device, over);
    if (snapshot.callId && snapshot.status === 'ended') over.add(snapshot.callId);
    if (snapshot.callId && isLive(snapshot) && over.has(snapshot.callId)) {
      throw new Error(`${snapshot.callId} was over on ${device.user} ${device.index}`);
    }
    if (snapshot.callId === before.snapshot.callId && isLive(snapshot) && version < before.version) {
      throw new Error('a version went back');
    }
    // One that was not told of the end yet, and whose peer is gone, will find that out.
    const talking = device.world.devices.filter(
      ({ state, peer }) => state.snapshot.status === 'connected' && peer?.up,
    );
    const calls = new Set(talking.map((one) => one.state.snapshot.callId));
    if (calls.size > 1) throw new Error(`connected to different calls: ${[...calls]}`);
  };
}

function play(seed: number, weather: Weather, given: Deed[]): World {
  const world = new World(seed, weather, USERS, lookAt(new Map()));
  for (const { after, device, act } of given) {
    world.run(world.now + after);
    if (act === 'cut' || act === 'heal') world.path = act === 'heal';
    const event = eventOf(act);
    if (event) world.devices[device]!.take(event);
  }
  return world;
}

const summary = (world: World) =>
  world.devices.map(({ state: { snapshot } }) => `${snapshot.status} ${snapshot.callId ?? ''}`);

test('whatever is done, and however frames travel, nobody is left hanging', () => {
  const weather = fc.record<Weather>({
    delay: fc.constantFrom(5, 300, 3_000),
    repeat: fc.constantFrom(0, 0.3),
    lose: fc.constantFrom(0, 0.1, 0.3),
  });
  const acts = deeds('initiate', 'accept', 'accept', 'reject', 'end', 'leave', 'cut', 'heal');
  const seen: Record<string, number> = {};
  const property = fc.property(fc.nat(), weather, fc.nat(2), acts, (chance, how, first, more) => {
    const world = play(chance, how, first > 0 ? [...begun, ...more] : more);
    for (const { state } of world.devices) {
      seen[state.snapshot.status] = (seen[state.snapshot.status] ?? 0) + 1;
    }
    // One side ends what there is, and the other is gone, too, told or not.
    world.devices[0]!.take({ type: 'end' });
    world.run(world.now + 120_000);
    expect(world.devices.filter((one) => one.live), summary(world).join()).toEqual([]);
  });
  fc.assert(property, { seed, numRuns: RUNS });
  console.log('where devices stood at the end of what was done', seen);
  expect(Object.keys(seen).sort()).toEqual(
    ['calling', 'connected', 'connecting', 'ended', 'idle', 'ringing'].sort(),
  );
});

test('an accepted call connects, however frames travel, as long as they arrive', () => {
  const weather = fc.record<Weather>({
    delay: fc.constantFrom(5, 300, 2_000),
    repeat: fc.constantFrom(0, 0.5),
    lose: fc.constantFrom(0, 0.2),
  });
  const property = fc.property(fc.nat(), weather, (chance, how) => {
    const world = new World(chance, how, ['asha', 'ravi'], lookAt(new Map()));
    const [asha, ravi] = world.devices as [Device, Device];
    asha.take({ type: 'initiate', video: false });
    granted(asha);
    world.run(20_000);
    // Nothing can come of a call that did not ring, because its one frame was lost.
    fc.pre(ravi.state.snapshot.status === 'ringing' && asha.live);
    ravi.take({ type: 'accept', video: false });
    granted(ravi);
    let both = false;
    for (let second = 0; second < 20 && !both; second++) {
      world.run(world.now + 1_000);
      both = [asha, ravi].every((one) => one.state.snapshot.status === 'connected');
    }
    if (how.lose === 0) expect(both, summary(world).join()).toBe(true);
    // Candidates that came for the present description have been applied.
    for (const one of world.devices.filter((device) => device.live)) {
      const waiting = one.state.early.filter(
        (candidate) => candidate.usernameFragment === one.state.theirs,
      );
      expect(waiting).toEqual([]);
    }
  });
  fc.assert(property, { seed, numRuns: RUNS });
});

test('on a plain network every candidate arrives, once, in few frames', () => {
  const property = fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), (chance, delay) => {
    const weather = { delay, repeat: 0, lose: 0 };
    const world = new World(chance, weather, ['asha', 'ravi'], lookAt(new Map()));
    const [asha, ravi] = world.devices as [Device, Device];
    asha.take({ type: 'initiate', video: false });
    granted(asha);
    world.run(5_000);
    ravi.take({ type: 'accept', video: false });
    granted(ravi);
    world.run(15_000);
    for (const one of world.devices) {
      expect(one.state.snapshot.status).toBe('connected');
      const applied = one.peer!.applied;
      expect(applied.length).toBeGreaterThan(0);
      expect(new Set(applied).size).toBe(applied.length);
      const numbers = applied.map((line) => Number(/^candidate:(\d+)/.exec(line)![1])).sort();
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      // And a join, and the pings of a long call, in at most twelve.
      expect(one.sent.length, one.sent.join()).toBeLessThanOrEqual(6);
    }
  });
  fc.assert(property, { seed, numRuns: RUNS });
});
