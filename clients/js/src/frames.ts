/** The frames of the WebSocket API: what a client sends, and what it is sent. Names as in the
 * server's `domain/signaling.rs`. Declarations only. */

import type { EndReason, ErrorCode } from './types.js';

/** Which call a frame is about: the one of that id, else the booking's newest. */
export interface CallRef {
  bookingId: string;
  callId?: string;
}

/** `join`: what a client says of itself. */
export interface Join {
  /** Must be the token's subject. */
  userId: string;
  /** The call that this device is in, to take it over from its own old connection. */
  callId?: string;
}

/** `callInitiate`. */
export interface Initiate {
  bookingId: string;
  /** What the receiver is told of media, as it is; up to 200 bytes of JSON. */
  media?: unknown;
}

/** `callReject`. */
export interface Reject extends CallRef {
  /** `rejected` or `busy`. */
  reason?: string;
}

/** `callOffer`, `callAnswer`, `callIceCandidate`: one of the three fields, as the action says. */
export interface Relayed extends CallRef {
  offer?: RTCSessionDescriptionInit;
  answer?: RTCSessionDescriptionInit;
  candidate?: RTCIceCandidateInit | RTCIceCandidateInit[];
}

/** What each action takes. */
export interface Actions {
  join: Join;
  callInitiate: Initiate;
  callAccept: CallRef;
  callReject: Reject;
  callOffer: Relayed;
  callAnswer: Relayed;
  callIceCandidate: Relayed;
  callEnd: CallRef;
  ping: Record<string, never>;
}

/** A client's frame is named by its action. */
export type Action = keyof Actions;

/** A frame from a client. */
export interface Frame<A extends Action = Action> {
  action: A;
  /** Comes back in the answer. */
  id?: string | number;
  data: Actions[A];
}

/** What every event of a call has. */
export interface OfCall {
  bookingId: string;
  callId: string;
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number;
}

/** `call:incoming`, `call:ringing`. */
export interface Rings extends OfCall {
  callerId: string;
  callerName: string;
  receiverId: string;
  receiverName: string;
  serviceName: string;
  /** Until when it rings, RFC 3339. */
  expiresAt: string;
  /** What the caller said of media. */
  media?: unknown;
}

/** `call:accepted`. */
export interface Accepted extends OfCall {
  receiverId: string;
}

/** `call:rejected`. */
export interface Rejected extends OfCall {
  reason: EndReason;
}

/** `call:ended`. */
export interface Ended extends OfCall {
  /** Seconds from accept to end. */
  duration: number;
  /** A user's id, or `server`. */
  endedBy: string;
  reason: EndReason;
}

/** `call:offer`. */
export interface Offer extends OfCall {
  offer: RTCSessionDescriptionInit;
  /** The user who sent it. */
  from: string;
}

/** `call:answer`. */
export interface Answer extends OfCall {
  answer: RTCSessionDescriptionInit;
  from: string;
}

/** `call:ice-candidate`. */
export interface IceCandidate extends OfCall {
  candidate: RTCIceCandidateInit | null | (RTCIceCandidateInit | null)[];
  from: string;
}

/** What each event of a call says. */
export interface CallEvents {
  'call:incoming': Rings;
  'call:ringing': Rings;
  'call:accepted': Accepted;
  'call:rejected': Rejected;
  'call:ended': Ended;
  'call:offer': Offer;
  'call:answer': Answer;
  'call:ice-candidate': IceCandidate;
}

/** What each event says. */
export interface Events extends CallEvents {
  joined: { userId: string };
  pong: Record<string, never>;
  error: { code: ErrorCode; message: string; action: string };
}

/** A frame to a client, `data` as its `event` says. */
export type Sent<E extends keyof Events = keyof Events> = {
  [K in E]: { event: K; id?: string | number; data: Events[K] };
}[E];
