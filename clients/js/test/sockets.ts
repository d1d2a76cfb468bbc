/** WebSockets whose other end the test is. */

import type { Action } from '../src/frames.js';

interface Received {
  action: Action;
  id: string;
  data: Record<string, unknown>;
}

/** One socket that was asked for. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  readonly frames: Received[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    if (this.closed) throw new Error('a frame was sent over a closed socket');
    this.frames.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  // ---- the other end

  get actions(): Action[] {
    return this.frames.map(({ action }) => action);
  }

  open(): void {
    this.onopen?.();
  }

  tell(event: string, data: object = {}, id?: string): void {
    this.onmessage?.({ data: JSON.stringify({ event, id, data }) });
  }

  /** Answers the newest frame of that action. */
  answer(action: Action, event: string, data: object = {}): void {
    const frame = this.frames.filter((one) => one.action === action).at(-1);
    if (!frame) throw new Error(`there is no ${action}`);
    this.tell(event, data, frame.id);
  }

  /** Opens, and takes the join. */
  welcome(): void {
    this.open();
    this.answer('join', 'joined', { userId: 'asha' });
  }

  /** The network, or the server, is gone. */
  cut(): void {
    this.closed = true;
    this.onclose?.();
  }
}
