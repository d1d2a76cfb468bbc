/** What the page says and offers, for every state of the call. */

import type { CallSnapshot, EndReason, ErrorCode } from '../../js/src/index.js';
import type { NoVisit } from './visit.js';

/** What is to be seen. */
export interface View {
  readonly words: string;
  /** Which buttons there are: to call, to take or leave the owner's call, or to end this one. */
  readonly phase: 'before' | 'incoming' | 'during' | 'talking' | 'after';
  /** The owner was not reached this way: the telephone is the better one. */
  readonly phoneInstead: boolean;
}

/** After the click, before the visit. */
export const STARTING: View = { words: 'One moment …', phase: 'during', phoneInstead: false };

/** After second thoughts, before the visit. */
export const GIVEN_UP: View = {
  words: 'You ended the call.',
  phase: 'after',
  phoneInstead: false,
};

const NOT_REACHED: Partial<Record<EndReason, string>> = {
  rejected: 'The owner cannot take your call right now.',
  busy: 'The owner is in another call.',
  timeout: 'Nobody picked up.',
  unavailable: 'The owner cannot be reached in the app right now.',
};

const MISSED = 'You missed the owner’s call.';

/** Where the owner called back. */
const NOT_TAKEN: Partial<Record<EndReason, string>> = {
  rejected: 'You declined the call.',
  busy: MISSED,
  canceled: MISSED,
  timeout: MISSED,
  unavailable: MISSED,
};

const ENDED: Partial<Record<EndReason, string>> = {
  canceled: GIVEN_UP.words,
  timeout: 'The call reached its longest time and has ended.',
};

const FAILED: Partial<Record<ErrorCode, string>> = {
  permission_denied:
    'The microphone is blocked. Allow it for this page in your browser’s settings, then try again.',
  device_not_found: 'No microphone was found.',
  device_in_use: 'Another app is using the microphone. Close it, then try again.',
  unsupported: 'This browser cannot make calls.',
  media_failed: 'The audio did not get through.',
  offline: 'There is no connection to the internet.',
  not_found: 'This tag cannot be reached any more.',
};

/** What to say of the call. */
export function view(call: CallSnapshot): View {
  switch (call.status) {
    case 'calling':
      return during(call.localStream ? 'Calling …' : 'Please allow the microphone …');
    case 'ringing':
      if (call.direction === 'outgoing') return during('Ringing the owner …');
      return {
        words: call.error ? failure(call.error.code) : 'The owner is calling you back.',
        phase: 'incoming',
        phoneInstead: false,
      };
    case 'connecting':
      return during('Connecting …');
    case 'connected': {
      const words = call.reconnecting ? 'The connection is being restored …' : 'Connected';
      return { words, phase: 'talking', phoneInstead: false };
    }
    default:
      return ended(call);
  }
}

/** What to say where there is no visit. */
export function noVisit({ code, retryAfter }: NoVisit): View {
  switch (code) {
    case 'rate_limited':
      return after(`That was often. Try again in ${Math.max(2, retryAfter)} seconds.`, true);
    case 'not_found':
      return after(failure('not_found'), false);
    case 'offline':
      return after(failure('offline'), true);
    default:
      return after(failure('unknown'), true);
  }
}

function ended({ reason = 'hangup', direction, error, acceptedAt }: CallSnapshot): View {
  if (error) return after(failure(error.code), true);
  if (acceptedAt === undefined) {
    const outgoing = direction !== 'incoming';
    const why = (outgoing ? NOT_REACHED : NOT_TAKEN)[reason];
    if (why) return after(why, outgoing);
  }
  if (reason === 'failed') return after('The call was lost.', true);
  return after(ENDED[reason] ?? 'The call has ended.', false);
}

function failure(code: ErrorCode): string {
  return FAILED[code] ?? 'Something went wrong.';
}

function during(words: string): View {
  return { words, phase: 'during', phoneInstead: false };
}

function after(words: string, phoneInstead: boolean): View {
  return {
    words: phoneInstead ? `${words} You can call by phone instead.` : words,
    phase: 'after',
    phoneInstead,
  };
}

/** Seconds as people read a call's time: `0:07`, `12:34`, `1:02:03`. */
export function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (seconds >= 3600) parts.unshift(Math.floor(seconds / 3600));
  const padded = parts.map((part, index) => (index > 0 ? String(part).padStart(2, '0') : part));
  return padded.join(':');
}
