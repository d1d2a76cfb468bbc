/** A client whose calls the test moves by hand, and which remembers what was asked of it. */

import { idle } from '../../src/call.js';
import type { Call, CallSnapshot, Maskline } from '../../src/types.js';

export class FakeCall implements Call {
  readonly asked: string[] = [];
  readonly listeners = new Set<() => void>();
  snapshot: CallSnapshot;

  constructor(
    readonly bookingId: string,
    private readonly changed: () => void,
  ) {
    this.snapshot = idle(bookingId).snapshot;
  }

  /** Moves the call. */
  becomes(patch: Partial<CallSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...patch };
    this.notify();
  }

  /** Tells everybody, as after a change. */
  notify(): void {
    this.changed();
    for (const listener of [...this.listeners]) listener();
  }

  getSnapshot(): CallSnapshot {
    return this.snapshot;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async initiate(options?: { video?: boolean }): Promise<void> {
    this.asked.push(options?.video ? 'initiate video' : 'initiate');
  }

  async accept(options?: { video?: boolean }): Promise<void> {
    this.asked.push(options?.video ? 'accept video' : 'accept');
  }

  reject(reason = 'rejected'): void {
    this.asked.push(`reject ${reason}`);
  }

  end(): void {
    this.asked.push('end');
  }

  setMuted(muted: boolean): void {
    this.asked.push(`muted ${muted}`);
    this.becomes({ muted });
  }

  toggleMute(): void {
    this.setMuted(!this.snapshot.muted);
  }

  async setInput(kind: string, deviceId: string): Promise<void> {
    this.asked.push(`${kind} ${deviceId}`);
  }

  async resumeAudio(): Promise<void> {
    this.asked.push('resumeAudio');
  }
}

export class FakeMaskline implements Maskline {
  connection: Maskline['connection'] = 'online';
  connects = 0;
  readonly listeners = new Set<() => void>();
  private readonly all = new Map<string, FakeCall>();

  call(bookingId: string): FakeCall {
    const call = this.all.get(bookingId) ?? new FakeCall(bookingId, () => this.notify());
    this.all.set(bookingId, call);
    return call;
  }

  /** A new array each time, to be no easier than the real one. */
  calls(): readonly FakeCall[] {
    return [...this.all.values()].filter(({ snapshot }) => snapshot.status !== 'idle').reverse();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onIncoming(): () => void {
    return () => undefined;
  }

  connect(): void {
    this.connects += 1;
  }

  close(): void {}

  notify(): void {
    for (const listener of [...this.listeners]) listener();
  }

  /** How many subscriptions there are, to the client and to its calls. */
  subscriptions(): number {
    const toCalls = [...this.all.values()].map((call) => call.listeners.size);
    return toCalls.reduce((sum, count) => sum + count, this.listeners.size);
  }
}

/** A call from Asha that rings here. */
export const INCOMING = {
  status: 'ringing',
  direction: 'incoming',
  callId: 'b1.1',
  peerName: 'Asha Rao',
  serviceName: 'Bicycle repair',
} as const;

/** A call to Ravi that rings there. */
export const OUTGOING = { ...INCOMING, direction: 'outgoing', peerName: 'Ravi' } as const;

/** A call with Ravi that has been accepted. */
export const CONNECTED = {
  ...OUTGOING,
  status: 'connected',
  acceptedAt: Date.UTC(2026, 10, 21),
  duration: 65,
} as const;
