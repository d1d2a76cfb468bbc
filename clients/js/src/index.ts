/** In-app calls between the two parties of a booking, over Maskline. */

import { type CallFrame, isLive } from './call.js';
import { type Connection, createConnection } from './connection.js';
import { CodedError } from './errors.js';
import { listen, onGlobal, platformWith } from './platform.js';
import { type RunningCall, createCall } from './runner.js';
import type { Call, CallSnapshot, Maskline, MasklineOptions, Platform } from './types.js';

export type * from './types.js';

/** Makes a client for a signed-in user. It touches nothing before it is used, so it may be made
 * where pages are rendered on a server. */
export function createMaskline(options: MasklineOptions): Maskline {
  const calls = new Map<string, RunningCall>();
  const listeners = new Set<() => void>();
  const incoming = new Set<(call: Call) => void>();
  let active: readonly RunningCall[] = [];
  let parts: Platform | undefined;
  let link: Connection | undefined;
  let stopListening: (() => void) | undefined;

  const platform = () => (parts ??= platformWith(options.platform));
  const changed = () => listeners.forEach((listener) => listener());

  function connection(): Connection {
    return (link ??= createConnection({
      url: options.socketUrl,
      userId: options.userId,
      getToken: options.getToken,
      platform: platform(),
      ownCall: () => active.map((one) => one.getSnapshot()).find(isOwn)?.callId,
      onJoin: () => active.forEach((one) => one.dispatch({ type: 'joining' })),
      onFrame: (frame: CallFrame, answers) =>
        call(frame.data.bookingId).dispatch({ type: 'frame', frame, answers }),
      onRefused: (bookingId, action, error) =>
        call(bookingId).dispatch({ type: 'refused', action, error }),
      onChange: changed,
    }));
  }

  const leave = () => active.forEach((one) => one.dispatch({ type: 'leave' }));

  /** Opens the connection. From then on there may be calls, so a page that is left leaves them. */
  function open(): void {
    stopListening ??= onGlobal('pagehide', leave);
    connection().open();
  }

  function call(bookingId: string): RunningCall {
    const known = calls.get(bookingId);
    if (known) return known;
    const onChange = (before: CallSnapshot, after: CallSnapshot) => moved(made, before, after);
    const made = createCall({ bookingId, platform, connection, open, iceServers, onChange });
    calls.set(bookingId, made);
    return made;
  }

  function moved(one: RunningCall, before: CallSnapshot, after: CallSnapshot): void {
    if (isLive(after) !== isLive(before)) {
      const others = active.filter((other) => other !== one);
      if (after.status !== 'ended') active = after.status === 'idle' ? others : [one, ...others];
      changed();
    }
    const rings = after.status === 'ringing' && after.direction === 'incoming';
    const rang = before.status === 'ringing' && before.callId === after.callId;
    if (rings && !rang) incoming.forEach((listener) => listener(one));
  }

  async function iceServers(limit: number): Promise<RTCConfiguration> {
    const { clock, fetch } = platform();
    let timer: unknown;
    const late = new Promise<never>((_, reject) => {
      timer = clock.setTimeout(() => reject(), limit);
    });
    const asked = async () => {
      const authorization = `Bearer ${await options.getToken()}`;
      const url = `${options.apiUrl.replace(/\/$/, '')}/api/calls/ice-servers`;
      const response = await fetch(url, { headers: { authorization } });
      const { data, code = 'unknown', message = `HTTP status ${response.status}` } =
        await response.json();
      if (!response.ok) throw new CodedError(code, message);
      return { iceServers: data.iceServers, iceTransportPolicy: data.iceTransportPolicy };
    };
    try {
      return await Promise.race([asked(), late]);
    } catch (thrown) {
      if (thrown instanceof CodedError) throw thrown;
      // The app's token, the network or, behind a captive portal, the answer is not to be had.
      throw new CodedError('offline', 'no token, or no answer of the HTTP API');
    } finally {
      clock.clearTimeout(timer);
    }
  }

  return {
    get connection() {
      return link?.status ?? 'offline';
    },
    connect: open,
    close() {
      leave();
      stopListening?.();
      stopListening = undefined;
      link?.close();
    },
    call,
    calls: () => active,
    onIncoming: (listener) => listen(incoming, listener),
    subscribe: (listener) => listen(listeners, listener),
  };
}

/** Whether this device has the call for its user. */
function isOwn(call: CallSnapshot): boolean {
  return isLive(call) && (call.direction === 'outgoing' || call.acceptedAt !== undefined);
}
