/**
 * The connection to the server: one WebSocket, replaced by another when it is lost, when it no
 * longer answers, and before API Gateway cuts it.
 *
 * - A socket counts once its `join` is answered. Only then does it take the place of the one
 *   before, which may still work: nothing is missed in between.
 * - A frame that cannot be sent asks for a socket at once and waits for it, up to a limit. One
 *   that has an answer and gets none is sent again over another socket; the server takes repeats
 *   as such.
 * - A hang-up is kept in the storage until it is answered, so it is sent even after a reload.
 */

import type { Action, Actions, Sent } from './frames.js';
import { onGlobal } from './platform.js';
import type { CallFrame } from './call.js';
import type { CallError, ConnectionStatus, ErrorCode, Platform } from './types.js';

/** What a connection is made of. */
export interface ConnectionOptions {
  url: string;
  userId: string;
  getToken: () => string | Promise<string>;
  platform: Platform;
  /** The call that this device has, for the join to claim: not one that rings here, which may
   * have been taken by another device. */
  ownCall: () => string | undefined;
  /** A join is sent. */
  onJoin: () => void;
  /** A frame about a call; `answers` says which action of ours, if any. */
  onFrame: (frame: CallFrame, answers?: Action) => void;
  /** The server's error in answer to a frame, or `offline` where none came. */
  onRefused: (bookingId: string, action: Action, error: CallError) => void;
  onChange: () => void;
}

/** A connection that is kept open between `open` and `close`. */
export interface Connection {
  readonly status: ConnectionStatus;
  /** Where it is open already, the same as the network coming back: a socket is probed, the wait
   * for the next one cut short. */
  open(): void;
  close(): void;
  send<A extends Action>(action: A, data: Actions[A]): void;
  /** Drops what waits for that booking, but for the ends of its calls. */
  forget(bookingId: string): void;
  /** Finds out whether the socket still lives. */
  probe(): void;
}

/** API Gateway cuts a socket after two hours, and one that is idle after ten minutes. */
const ROTATE = { least: 100 * 60_000, spread: 15 * 60_000 };
/** Of silence. A ping is two messages to pay for; four minutes leave time for a second one. */
const PING = 4 * 60_000;
/** For a socket to open and be joined. */
const OPENING = 10_000;
/** For an answer, before the socket is taken for dead. */
const ANSWER = 5_000;
const TRIES = 4;
/** How long frames are worth sending: nobody is rung for a button pressed long ago. Ends are
 * for as long as it takes. */
const WORTH = { asking: 12_000, relayed: 20_000 };
/** For the frame that says how a claimed call stands, after `joined`. */
const CLAIM = 1_000;
/** For frames that are still on their way over the socket before. */
const DRAIN = 3_000;
const BACK_OFF = { first: 1_000, most: 30_000 };
/** A socket that lived for less counts as a failure. */
const STABLE = 10_000;
const TRY_AGAIN = 1_000;

const JOIN_ID = 'join';
const ENDS = ['callEnd', 'callReject'];
const ANSWERED = ['callInitiate', 'callAccept', 'ping', ...ENDS];

interface Waiting {
  id: string;
  action: Action;
  data: { bookingId?: string; callId?: string };
  tries: number;
  /** Until it is not worth sending any more. */
  expiry?: unknown;
  /** Until it is sent again. */
  repeat?: unknown;
}

interface Link {
  socket?: WebSocket;
  since: number;
  timers: unknown[];
  /** Another socket takes the place of this one. */
  retiring?: boolean;
}

/** Makes a connection; nothing happens before `open`. */
export function createConnection(options: ConnectionOptions): Connection {
  const { platform, userId } = options;
  const { clock, storage } = platform;
  const key = `maskline.ends.${userId}`;
  const waiting = new Map<string, Waiting>();
  let status: ConnectionStatus = 'offline';
  let stopListening: (() => void)[] | undefined;
  let current: Link | undefined;
  let attempt: Link | undefined;
  let retry: unknown;
  let idle: unknown;
  let failures = 0;
  let sequence = 0;

  const after = (milliseconds: number, act: () => void) => clock.setTimeout(act, milliseconds);
  const stop = (timers: unknown[]) => timers.splice(0).forEach((one) => clock.clearTimeout(one));

  function changed(): void {
    const next = current ? 'online' : attempt ? 'connecting' : 'offline';
    if (next === status) return;
    status = next;
    options.onChange();
  }

  // ---- sockets

  async function connect(): Promise<void> {
    clock.clearTimeout(retry);
    if (attempt || !stopListening) return;
    const link: Link = { since: clock.now(), timers: [] };
    attempt = link;
    link.timers.push(after(OPENING, () => drop(link)));
    changed();
    try {
      const token = await options.getToken();
      if (attempt !== link) return;
      // As a subprotocol, because URLs end up in logs.
      const socket = new platform.WebSocket(options.url, ['maskline', token]);
      link.socket = socket;
      socket.onopen = () => join(link);
      socket.onmessage = ({ data }) => receive(link, data);
      // A refused upgrade looks the same as no network; the next try asks for a token anew.
      socket.onclose = socket.onerror = () => drop(link);
    } catch {
      drop(link);
    }
  }

  function join(link: Link): void {
    if (current) current.retiring = true;
    options.onJoin();
    const callId = claimed();
    transmit(link, { action: 'join', id: JOIN_ID, data: { userId, callId } });
  }

  /** The call that this device has, or has ended without the server knowing. */
  function claimed(): string | undefined {
    return options.ownCall() ?? waitingFor('callEnd')[0]?.data.callId;
  }

  function settle(link: Link): void {
    if (attempt !== link) return;
    const before = current;
    stop(link.timers);
    attempt = undefined;
    current = link;
    link.since = clock.now();
    link.timers.push(after(ROTATE.least + platform.random() * ROTATE.spread, () => void connect()));
    if (before) before.timers.push(after(DRAIN, () => drop(before)));
    changed();
    waiting.forEach((frame) => (frame.action === 'ping' ? done(frame.id) : deliver(frame)));
    rest();
  }

  function drop(link: Link): void {
    stop(link.timers);
    const { socket } = link;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // What comes after is of no interest, but must not be thrown.
      socket.onerror = () => undefined;
      socket.close();
    }
    const lived = clock.now() - link.since >= STABLE;
    if (link === attempt) {
      attempt = undefined;
      failures++;
    } else if (link === current) {
      current = undefined;
      failures = lived ? 0 : failures + 1;
      clock.clearTimeout(idle);
    } else return;
    if (!attempt && stopListening) {
      const most = Math.min(BACK_OFF.most, BACK_OFF.first * 2 ** failures);
      clock.clearTimeout(retry);
      retry = after(platform.random() * most, () => void connect());
    }
    changed();
  }

  /** The network is back, somebody looks at the page again, or the app says so. */
  function wake(): void {
    if (current) return probe();
    failures = 0;
    void connect();
  }

  function probe(): void {
    if (!current) return void connect();
    if (!waitingFor('ping')[0]) send('ping', {});
  }

  function rest(): void {
    clock.clearTimeout(idle);
    idle = after(PING, probe);
  }

  // ---- frames in

  function receive(link: Link, text: unknown): void {
    const frame = parsed<Sent>(text);
    if (!frame?.data) return;
    const { event, data } = frame;
    const id = String(frame.id ?? '');
    const [, action, bookingId] = id.split('/') as [string, Action?, string?];
    if (link === current) rest();
    if (event === 'error') {
      if (id === JOIN_ID || data.code === 'unauthorized') return drop(link);
      // No frame has the codes of telephone calls.
      return refused(id, { code: data.code as ErrorCode, message: data.message });
    }
    done(id);
    if (!stopListening) return waitingFor('callEnd')[0] ? undefined : drop(link);
    if (event === 'pong') return;
    if (event === 'joined') {
      // A claimed call is this socket's once there is word of it.
      if (claimed() === undefined) settle(link);
      else link.timers.push(after(CLAIM, () => settle(link)));
      return;
    }
    // The other device is this one, under its next socket.
    if (link.retiring && event === 'call:ended' && data.reason === 'answered_elsewhere') return;
    options.onFrame(frame, bookingId === data.bookingId ? action : undefined);
    if (id === JOIN_ID) settle(link);
  }

  function refused(id: string, error: CallError): void {
    const [, action, bookingId = ''] = id.split('/') as [string, Action?, string?];
    const frame = waiting.get(id);
    if (frame && error.code === 'unavailable' && frame.tries < TRIES) {
      clock.clearTimeout(frame.repeat);
      frame.repeat = after(TRY_AGAIN, () => deliver(frame));
      return;
    }
    done(id);
    if (action && bookingId) options.onRefused(bookingId, action, error);
  }

  // ---- frames out

  function send(action: Action, data: Waiting['data']): void {
    const id = `${++sequence}/${action}/${data.bookingId ?? ''}`;
    const frame: Waiting = { id, action, data, tries: 0 };
    waiting.set(id, frame);
    if (!ENDS.includes(action)) {
      const worth = ANSWERED.includes(action) ? WORTH.asking : WORTH.relayed;
      frame.expiry = after(worth, () => expired(frame));
    }
    deliver(frame);
    remember(action);
  }

  function deliver(frame: Waiting): void {
    const { id, action, data } = frame;
    if (!waiting.has(id)) return;
    if (!current) return void connect();
    if (frame.tries++ === TRIES) return expired(frame);
    transmit(current, { id, action, data });
    if (!ANSWERED.includes(action)) return done(id);
    // It is sent again once another socket is there.
    clock.clearTimeout(frame.repeat);
    frame.repeat = after(ANSWER, () => void connect());
  }

  function transmit(link: Link, frame: { id: string; action: Action; data: object }): void {
    link.socket?.send(JSON.stringify(frame));
    if (link === current) rest();
  }

  function expired({ id, action }: Waiting): void {
    done(id);
    refused(id, { code: 'offline', message: `no answer to ${action}` });
  }

  function done(id: string): void {
    const frame = waiting.get(id);
    if (!frame) return;
    still(frame);
    waiting.delete(id);
    remember(frame.action);
  }

  function waitingFor(action: Action): Waiting[] {
    return [...waiting.values()].filter((one) => one.action === action);
  }

  function still({ expiry, repeat }: Waiting): void {
    clock.clearTimeout(expiry);
    clock.clearTimeout(repeat);
  }

  function forget(bookingId: string): void {
    for (const { id, action, data } of [...waiting.values()]) {
      if (data.bookingId === bookingId && !ENDS.includes(action)) done(id);
    }
  }

  // ---- ends that survive a reload

  function remember(action: Action): void {
    if (action !== 'callEnd') return;
    const ends = waitingFor('callEnd');
    if (ends.length > 0) storage.setItem(key, JSON.stringify(ends.map(({ data }) => data)));
    else storage.removeItem(key);
  }

  function recall(): void {
    const ends = parsed<Waiting['data'][]>(storage.getItem(key)) ?? [];
    ends.forEach((data) => send('callEnd', data));
  }

  return {
    get status() {
      return status;
    },
    open() {
      if (stopListening) return wake();
      const visible = () => globalThis.document?.visibilityState === 'visible' && wake();
      stopListening = [onGlobal('online', wake), onGlobal('visibilitychange', visible)];
      if (!waitingFor('callEnd')[0]) recall();
      void connect();
    },
    close() {
      stopListening?.forEach((end) => end());
      stopListening = undefined;
      clock.clearTimeout(retry);
      clock.clearTimeout(idle);
      const last = current;
      current = undefined;
      waiting.forEach((frame) => (frame.action === 'callEnd' ? still(frame) : done(frame.id)));
      if (attempt) drop(attempt);
      // The server knows whose frame it is only as long as there is the socket.
      if (last && waitingFor('callEnd')[0]) last.timers.push(after(DRAIN, () => drop(last)));
      else if (last) drop(last);
      changed();
    },
    send,
    forget,
    probe,
  };
}

function parsed<T>(text: unknown): T | undefined {
  try {
    return JSON.parse(text as string) as T;
  } catch {
    return undefined;
  }
}
