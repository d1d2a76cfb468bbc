/** The push that wakes an app for a call: the body of Maskline's push hook, as the host application
 * has sent it on to the phone. */

import type { Maskline } from '../types.js';
import type { CallUiBridge } from './callUi.js';

/** A push that announces a call. */
export interface IncomingPush {
  readonly callId: string;
  readonly bookingId: string;
  /** Who is called. */
  readonly userId: string;
  readonly callerName: string;
  /** When it stops ringing, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Reads a push's data; nothing where that is not, or not wholly, an incoming call of Maskline's. */
export function readPush(payload: unknown): IncomingPush | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const data = payload as Record<string, unknown>;
  const { type, callId, bookingId, userId, callerName } = data;
  const expiresAt = typeof data.expiresAt === 'string' ? Date.parse(data.expiresAt) : NaN;
  if (type !== 'call.incoming' || Number.isNaN(expiresAt)) return undefined;
  if (!isText(callId) || !isText(bookingId) || !isText(userId) || !isText(callerName)) {
    return undefined;
  }
  return { callId, bookingId, userId, callerName, expiresAt };
}

/**
 * Call this with every push's data. It answers whether the push was Maskline's.
 *
 * The client connects, and what rings for this user comes with its `join`. With a bridge, the
 * system's call screen shows the call at once, as iOS demands of a VoIP push, also of one that comes
 * too late.
 */
export function handlePush(client: Maskline, payload: unknown, bridge?: CallUiBridge): boolean {
  const push = readPush(payload);
  if (push === undefined) return false;
  bridge?.announce(push);
  client.connect();
  return true;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
