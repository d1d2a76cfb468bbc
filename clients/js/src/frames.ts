/** Frames of the WebSocket API. Generated from `shared/src/domain/signaling.rs`:
 * REWRITE_CLIENT_TYPES=1 cargo test --package maskline client_types */

/** `call:accepted` */
export type Accepted = {
  /** Who accepted. */
  receiverId: string,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** What each action of a client takes. */
export type Actions = {
  /** The first frame of every connection. */
  join: Join,
  /** Rings the other party. */
  callInitiate: Initiate,
  /** Takes the call that rings. */
  callAccept: CallRef,
  /** Declines it. */
  callReject: Reject,
  /** To the other device in the call. */
  callOffer: Relayed,
  /** To the other device in the call. */
  callAnswer: Relayed,
  /** To the other device in the call. */
  callIceCandidate: Relayed,
  /** Hangs up, or gives up while it rings. */
  callEnd: CallRef,
  /** Keeps the connection. */
  ping: Nothing,
};

/** `call:answer` */
export type Answer = {
  /** An SDP answer. */
  answer: RTCSessionDescriptionInit,
  /** The user who sent it. */
  from: string,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** Which call a frame is about: the one of that id, else the booking's newest. */
export type CallRef = {
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId?: string,
};

/** Why a call is over. */
export type EndReason = "hangup" | "rejected" | "busy" | "timeout" | "canceled" | "answered_elsewhere" | "unavailable" | "failed";

/** `call:ended` */
export type Ended = {
  /** Seconds from accept to end. */
  duration: number,
  /** A user's id, or `server`. */
  endedBy: string,
  /** Why. */
  reason: EndReason,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** `call:ice-candidate` */
export type IceCandidate = {
  /** An ICE candidate, or several; null where there are no more. */
  candidate: RTCIceCandidateInit | null | (RTCIceCandidateInit | null)[],
  /** The user who sent it. */
  from: string,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** `callInitiate`. Who calls whom comes from the token and the booking. */
export type Initiate = {
  /** The booking. */
  bookingId: string,
  /** What the receiver is told of media, as it is. */
  media?: unknown,
};

/** What a client says of itself: `join`. */
export type Join = {
  /** Must be the token's subject. */
  userId: string,
  /** The call that this device is in: it takes it over from its own old connection,
   * which may still be open. */
  callId?: string,
};

/** `joined` */
export type Joined = {
  /** The token's subject. */
  userId: string,
};

/** `ping` takes nothing. */
export type Nothing = Record<symbol, never>;

/** `call:offer` */
export type Offer = {
  /** An SDP offer. */
  offer: RTCSessionDescriptionInit,
  /** The user who sent it. */
  from: string,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** `error` */
export type Refused = {
  /** What to act on. */
  code: ServerErrorCode,
  /** What went wrong, for the developer. */
  message: string,
  /** The action of the frame that led to it. */
  action: string,
};

/** `callReject`. */
export type Reject = {
  /** `rejected` or `busy`. */
  reason?: string,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId?: string,
};

/** `call:rejected` */
export type Rejected = {
  /** `rejected` or `busy`. */
  reason: EndReason,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** `callOffer`, `callAnswer`, `callIceCandidate`. */
export type Relayed = {
  /** An SDP offer. */
  offer?: RTCSessionDescriptionInit,
  /** An SDP answer. */
  answer?: RTCSessionDescriptionInit,
  /** An ICE candidate, or several; null where there are no more. */
  candidate?: RTCIceCandidateInit | null | RTCIceCandidateInit[],
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId?: string,
};

/** `call:incoming`, `call:ringing` */
export type Rings = {
  /** Who calls. */
  callerId: string,
  /** Their name. */
  callerName: string,
  /** Who is called. */
  receiverId: string,
  /** Their name. */
  receiverName: string,
  /** What was booked. */
  serviceName: string,
  /** Until when it rings, RFC 3339. */
  expiresAt: string,
  /** What the caller said of media, as it is. */
  media?: unknown,
  /** The booking. */
  bookingId: string,
  /** The call in it. */
  callId: string,
  /** Counts the call's changes: whoever has seen a higher one ignores the frame. */
  version: number,
};

/** A frame to a client. */
export type Sent = {
  /** The `id` of the frame that it answers. */
  id?: string | number,
} & (
  | { "event": "joined", "data": Joined }
  | { "event": "pong", "data": Record<symbol, never> }
  | { "event": "error", "data": Refused }
  | { "event": "call:incoming", "data": Rings }
  | { "event": "call:ringing", "data": Rings }
  | { "event": "call:accepted", "data": Accepted }
  | { "event": "call:rejected", "data": Rejected }
  | { "event": "call:ended", "data": Ended }
  | { "event": "call:offer", "data": Offer }
  | { "event": "call:answer", "data": Answer }
  | { "event": "call:ice-candidate", "data": IceCandidate }
);

/** What went wrong, for clients to act on. */
export type ServerErrorCode = "bad_request" | "invalid_phone" | "unauthorized" | "forbidden" | "destination_not_allowed" | "not_found" | "conflict" | "too_large" | "rate_limited" | "upstream_failed" | "unavailable";

/** A client's frame is named by its action. */
export type Action = keyof Actions;

/** What each event of a call says. */
export type CallEvents = {
  [E in Extract<Sent, { data: { callId: string } }> as E['event']]: E['data'];
};
