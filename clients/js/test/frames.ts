/** Frames and events, short to write. */

import type { CallFrame, Event } from '../src/call.js';
import type { Action, CallEvents } from '../src/frames.js';

export const BOOKING = 'b';

const RINGS = {
  callerId: 'asha',
  callerName: 'Asha',
  receiverId: 'ravi',
  receiverName: 'Ravi',
  serviceName: 'Bicycle repair',
  expiresAt: new Date(45_000).toISOString(),
};

/** What each event says besides booking, call and version, unless told otherwise. */
const USUAL: { [E in keyof CallEvents]: object } = {
  'call:incoming': RINGS,
  'call:ringing': RINGS,
  'call:accepted': { receiverId: 'ravi' },
  'call:rejected': { reason: 'rejected' },
  'call:ended': { duration: 0, endedBy: 'asha', reason: 'hangup' },
  'call:offer': { from: 'asha', offer: description('offer', 'theirs') },
  'call:answer': { from: 'ravi', answer: description('answer', 'theirs') },
  'call:ice-candidate': { from: 'asha', candidate: [candidate('theirs', 1)] },
};

/** The server's frame about a call. */
export function frame<E extends keyof CallEvents>(
  event: E,
  callId: string,
  version: number,
  more: Partial<CallEvents[E]> = {},
): CallFrame {
  const data: object = { bookingId: BOOKING, callId, version, ...USUAL[event], ...more };
  return { event, data } as CallFrame;
}

/** That a frame has come. */
export function came(given: CallFrame, answers?: Action): Event {
  return { type: 'frame', frame: given, answers };
}

/** A description with nothing but an ICE user fragment. */
export function description(type: 'offer' | 'answer', fragment: string, more = '') {
  return { type, sdp: `v=0\r\na=ice-ufrag:${fragment}\r\n${more}` };
}

/** A host's candidate of that description. */
export function candidate(fragment: string, number: number): RTCIceCandidateInit {
  const line = `candidate:${number} 1 udp 1 192.0.2.1 ${number} typ host generation 0`;
  return { candidate: `${line} ufrag ${fragment}`, sdpMid: '0', usernameFragment: fragment };
}
