/**
 * A world of devices, each with the state machine of `call.ts`, a server with the rules of the
 * README, a network that delays, repeats and loses, and peer connections that know only which
 * descriptions fit. Time is simulated; chance repeats with its seed.
 */

import {
  type CallFrame,
  type Description,
  type Effect,
  type Event,
  type State,
  fragmentOf,
  idle,
  isLive,
  reduce,
} from '../src/call.js';
import type { Action, CallEvents } from '../src/frames.js';
import type { CallError, EndReason } from '../src/types.js';
import { BOOKING, candidate, description, frame } from './frames.js';

/** What the network does to frames. */
export interface Weather {
  /** Each is delayed by up to this, milliseconds. */
  delay: number;
  /** How often one comes twice, and how often not at all, 0 to 1. */
  repeat: number;
  lose: number;
}

const RING = 45_000;
const RETRY = 5_000;
const WORTH = 12_000;
const ANSWERED: Action[] = ['callInitiate', 'callAccept', 'callReject', 'callEnd'];

interface Request {
  action: Action;
  data: Record<string, unknown>;
  /** It has been neither answered nor given up. */
  open: boolean;
}

interface Peer {
  local?: string;
  remote?: string;
  up: boolean;
  applied: string[];
}

/** Another number from 0 to 1 each time (mulberry32). */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class World {
  now = 0;
  /** Media passes between the devices. */
  path = true;
  readonly devices: Device[];
  readonly chance: () => number;
  private readonly agenda: { at: number; order: number; act: () => void }[] = [];
  private order = 0;
  private call?: ServersCall;
  private calls = new Map<string, ServersCall>();

  constructor(
    seed: number,
    readonly weather: Weather,
    users: string[],
    /** Looks at the world after every event. */
    readonly check: (device: Device, before: State, event: Event) => void,
  ) {
    this.chance = dice(seed);
    this.devices = users.map((user, index) => new Device(this, user, index));
  }

  in(milliseconds: number, act: () => void): void {
    this.agenda.push({ at: this.now + milliseconds, order: this.order++, act });
  }

  /** Lets everything happen that is due until then. */
  run(until: number): void {
    for (;;) {
      this.agenda.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.agenda[0];
      if (!next || next.at > until) break;
      this.agenda.shift();
      this.now = next.at;
      next.act();
      this.links();
    }
    this.now = until;
  }

  /** A frame on its way. */
  post(arrive: () => void): void {
    const { delay, repeat, lose } = this.weather;
    if (this.chance() < lose) return;
    const copies = this.chance() < repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) this.in(1 + this.chance() * delay, arrive);
  }

  // ---- the server

  handle(by: Device, request: Request, reply: (given: CallFrame | CallError) => void): void {
    const { action, data } = request;
    if (action === 'callInitiate') return this.initiate(by, reply);
    const call = data.callId ? this.calls.get(data.callId as string) : this.call;
    if (!call) return reply({ code: 'not_found', message: 'call' });
    call.expire();
    if (call.caller.user !== by.user && call.receiver !== by.user) throw new Error('a stranger');
    switch (action) {
      case 'callAccept':
        return reply(call.accept(by));
      case 'callReject':
        return reply(call.reject(by, data.reason as EndReason));
      case 'callEnd':
        return reply(call.hangUp(by));
      default:
        return this.relay(call, by, action, data, reply);
    }
  }

  private initiate(by: Device, reply: (given: CallFrame) => void): void {
    this.call?.expire();
    if (this.call && this.call.status !== 'over') return reply(this.call.rejoin(by));
    const receiver = by.user === 'asha' ? 'ravi' : 'asha';
    this.call = new ServersCall(this, `${BOOKING}.${this.calls.size + 1}`, by, receiver);
    this.calls.set(this.call.id, this.call);
    this.of(receiver).forEach((one) => this.call!.tell(one, 'call:incoming'));
    reply(this.call.frame('call:ringing'));
  }

  private relay(
    call: ServersCall,
    by: Device,
    action: Action,
    data: Record<string, unknown>,
    reply: (given: CallError) => void,
  ): void {
    const to = call.caller === by ? call.taker : call.taker === by ? call.caller : undefined;
    if (call.status !== 'running' || !to) {
      return reply({ code: 'conflict', message: 'not running, or elsewhere' });
    }
    const { offer, answer, candidate: candidates } = data as any;
    const event = (
      { callOffer: 'call:offer', callAnswer: 'call:answer' } as Record<string, keyof CallEvents>
    )[action];
    const more = { offer, answer, candidate: candidates, from: by.user };
    call.tell(to, event ?? 'call:ice-candidate', more);
  }

  of(user: string): Device[] {
    return this.devices.filter((one) => one.user === user);
  }

  // ---- media

  /** Whether what two peer connections know of each other fits, and the path is there. */
  private links(): void {
    for (const one of this.devices) {
      const { peer } = one;
      if (!peer) continue;
      const fits = this.devices.some(
        ({ peer: other }) =>
          other && peer.local && peer.remote === other.local && other.remote === peer.local,
      );
      const up = fits && this.path;
      if (up === peer.up) continue;
      peer.up = up;
      const later = (delay: number, state: RTCPeerConnectionState) =>
        this.in(delay, () => {
          if (one.peer === peer && peer.up === up) one.take({ type: 'link', state });
        });
      if (up) later(40, 'connected');
      else {
        later(5_000, 'disconnected');
        later(15_000, 'failed');
      }
    }
  }
}

/** A call as the server has it. */
class ServersCall {
  status: 'ringing' | 'running' | 'over' = 'ringing';
  version = 1;
  taker?: Device;
  private reason: EndReason = 'hangup';
  private acceptedAt?: number;
  private endedAt = 0;
  private readonly until: number;

  constructor(
    readonly world: World,
    readonly id: string,
    readonly caller: Device,
    readonly receiver: string,
  ) {
    this.until = world.now + RING;
    world.in(RING + 1_000, () => this.expire());
  }

  frame<E extends keyof CallEvents>(event: E, more: object = {}): CallFrame {
    return frame(event, this.id, this.version, more as Partial<CallEvents[E]>);
  }

  tell(to: Device, event: keyof CallEvents, more: object = {}): void {
    const given = this.frame(event, more);
    this.world.post(() => to.take({ type: 'frame', frame: given }));
  }

  private end(reason: EndReason, by?: Device, toCaller: keyof CallEvents = 'call:ended'): void {
    this.status = 'over';
    this.reason = reason;
    this.endedAt = this.world.now;
    this.version++;
    if (this.caller !== by) this.tell(this.caller, toCaller, this.ending());
    const others = this.taker ? [this.taker] : this.world.of(this.receiver);
    others.filter((one) => one !== by).forEach((one) => this.tell(one, 'call:ended', this.ending()));
  }

  private ending(): object {
    const since = this.acceptedAt ?? this.endedAt;
    const duration = Math.floor((this.endedAt - since) / 1000);
    return { reason: this.reason, duration, endedBy: 'somebody' };
  }

  private ended(): CallFrame {
    return this.frame('call:ended', this.ending());
  }

  private elsewhere(): CallFrame {
    return this.frame('call:ended', { reason: 'answered_elsewhere', duration: 0, endedBy: 'ravi' });
  }

  expire(): void {
    if (this.status === 'ringing' && this.world.now >= this.until) this.end('timeout');
  }

  accept(by: Device): CallFrame | CallError {
    if (by.user !== this.receiver) return { code: 'forbidden', message: 'the caller' };
    if (this.status === 'over') return this.ended();
    if (this.status === 'running') {
      return this.taker === by ? this.frame('call:accepted') : this.elsewhere();
    }
    this.status = 'running';
    this.taker = by;
    this.acceptedAt = this.world.now;
    this.version++;
    const others = this.world.of(this.receiver).filter((one) => one !== by);
    const elsewhere = this.elsewhere();
    others.forEach((one) => this.world.post(() => one.take({ type: 'frame', frame: elsewhere })));
    this.tell(this.caller, 'call:accepted');
    return this.frame('call:accepted');
  }

  reject(by: Device, reason: EndReason): CallFrame | CallError {
    if (by.user !== this.receiver) return { code: 'forbidden', message: 'the caller' };
    if (this.status !== 'ringing') return this.rejoin(by);
    this.end(reason, by, 'call:rejected');
    return this.ended();
  }

  hangUp(by: Device): CallFrame | CallError {
    if (this.status === 'over') return this.ended();
    const holds = this.caller === by || this.taker === by;
    if (this.status === 'ringing' && by.user === this.receiver) return this.reject(by, 'rejected');
    if (!holds) return { code: 'conflict', message: 'on another device' };
    this.end(this.status === 'ringing' ? 'canceled' : 'hangup', by);
    return this.ended();
  }

  /** How it stands for that device. */
  rejoin(by: Device): CallFrame {
    if (this.status === 'over') return this.ended();
    if (by === this.caller) {
      return this.frame(this.status === 'ringing' ? 'call:ringing' : 'call:accepted');
    }
    if (this.status === 'ringing' && by.user === this.receiver) return this.frame('call:incoming');
    return by === this.taker ? this.frame('call:accepted') : this.elsewhere();
  }
}

/** A device: the state machine, and around it what the runner and the connection do. */
export class Device {
  state: State = idle(BOOKING);
  peer?: Peer;
  /** Frames of each action that it has sent. */
  readonly sent: Action[] = [];
  private readonly timers = new Map<string, object>();
  private requests: Request[] = [];
  private descriptions = 0;

  constructor(
    readonly world: World,
    readonly user: string,
    readonly index: number,
  ) {}

  take(event: Event): void {
    const before = this.state;
    const [state, effects] = reduce(before, event, this.world.now);
    this.state = state;
    this.world.check(this, before, event);
    effects.forEach((effect) => this.carryOut(effect));
  }

  private soon(event: Event, peer?: Peer): void {
    this.world.in(1 + this.world.chance() * 50, () => {
      if (!peer || peer === this.peer) this.take(event);
    });
  }

  private carryOut(effect: Effect): void {
    const { world } = this;
    switch (effect.type) {
      case 'prepare': {
        const denied = { code: 'permission_denied', message: 'no' } as const;
        const stream = {} as MediaStream;
        const granted = world.chance() < 0.95;
        const event: Event = granted
          ? { type: 'prepared', stream, video: effect.video }
          : { type: 'unprepared', error: denied };
        return world.in(world.chance() * 2_000, () => this.take(event));
      }
      case 'send':
        return this.send(effect.action, effect.data as Record<string, unknown>);
      case 'forget':
        this.requests.forEach((one) => {
          if (!['callEnd', 'callReject'].includes(one.action)) one.open = false;
        });
        return;
      case 'offer':
        return this.describe('offer', true);
      case 'answer': {
        const peer = this.open();
        const remote = fragmentOf(effect.offer);
        const starts = peer.remote !== remote;
        peer.remote = remote;
        return this.describe('answer', starts);
      }
      case 'setAnswer':
        this.open().remote = fragmentOf(effect.answer);
        return;
      case 'addCandidates':
        return effect.candidates.forEach((one) => this.add(one));
      case 'closePeer':
        this.peer = undefined;
        return;
      case 'close':
        this.peer = undefined;
        this.timers.clear();
        return;
      case 'timer': {
        const { name, after } = effect;
        const running = {};
        this.timers.delete(name);
        if (after === undefined) return;
        this.timers.set(name, running);
        return world.in(after, () => {
          if (this.timers.get(name) !== running) return;
          this.timers.delete(name);
          this.take({ type: 'timer', name });
        });
      }
    }
  }

  private open(): Peer {
    return (this.peer ??= { up: false, applied: [] });
  }

  /** With a fragment and candidates of its own, where it starts ICE (anew). */
  private describe(type: 'offer' | 'answer', starts: boolean): void {
    const peer = this.open();
    if (starts) peer.local = `${this.user}${this.index}-${++this.descriptions}`;
    const fragment = peer.local!;
    const made: Description = description(type, fragment);
    this.world.in(1 + this.world.chance() * 20, () => {
      if (peer !== this.peer) return;
      this.take({ type: 'described', description: made });
      if (!starts) return;
      const count = 1 + Math.floor(this.world.chance() * 5);
      for (let number = 1; number <= count; number++) {
        this.soon({ type: 'gathered', candidate: candidate(fragment, number) }, peer);
      }
      this.world.in(60, () => peer === this.peer && this.take({ type: 'gathered' }));
    });
  }

  private add(one: RTCIceCandidateInit): void {
    const { peer } = this;
    if (!peer || peer.remote !== one.usernameFragment) {
      throw new Error(`a candidate of ${one.usernameFragment} before its description`);
    }
    peer.applied.push(one.candidate!);
  }

  // ---- the connection, which asks again until it is answered

  private send(action: Action, data: Record<string, unknown>): void {
    const request: Request = { action, data, open: true };
    if (ANSWERED.includes(action)) this.requests.push(request);
    if (action === 'callInitiate' || action === 'callAccept') {
      this.world.in(WORTH, () => this.answer(request, { code: 'offline', message: 'no answer' }));
    }
    this.attempt(request);
  }

  private attempt(request: Request): void {
    this.sent.push(request.action);
    const reply = (given: CallFrame | CallError) =>
      this.world.post(() => this.answer(request, given));
    this.world.post(() => this.world.handle(this, request, reply));
    if (!ANSWERED.includes(request.action)) return;
    this.world.in(RETRY, () => request.open && this.attempt(request));
  }

  private answer(request: Request, given: CallFrame | CallError): void {
    const { action } = request;
    const late = 'code' in given && given.code === 'offline' && !request.open;
    if (late) return;
    request.open = false;
    if ('code' in given) this.take({ type: 'refused', action, error: given });
    else this.take({ type: 'frame', frame: given, answers: action });
  }

  get live(): boolean {
    return isLive(this.state.snapshot);
  }
}
