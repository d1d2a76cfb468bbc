/** Every text of the screens, so that apps can translate them. */

import type { ErrorCode } from '../types.js';

/** The texts. `{name}` stands for the other party's name. */
export interface Labels {
  /** What stands where the other party's name is not known (yet). */
  someone: string;

  incoming: string;
  incomingVideo: string;
  calling: string;
  ringing: string;
  connecting: string;
  connected: string;
  reconnecting: string;

  accept: string;
  reject: string;
  cancel: string;
  end: string;
  mute: string;
  resumeAudio: string;
  again: string;
  close: string;
  /** What `WebRTCCallButton` says while nobody calls. */
  call: string;

  /** How a call ended. */
  hungUp: string;
  youRejected: string;
  theyRejected: string;
  youWereBusy: string;
  theyAreBusy: string;
  noAnswer: string;
  missed: string;
  youCanceled: string;
  timeLimit: string;
  answeredElsewhere: string;
  unavailable: string;
  failed: string;
  /** It did not even begin to ring. */
  notMade: string;

  qualityGood: string;
  qualityFair: string;
  qualityPoor: string;
  /** What a person can do about a bad connection, or silence. */
  poorConnection: string;
  noAudio: string;
  audioBlocked: string;

  /** What a person can do about each error. */
  errors: Record<ErrorCode, string>;
}

/** Replacements for some of the texts. */
export type LabelOverrides = Partial<Omit<Labels, 'errors'>> & {
  errors?: Partial<Labels['errors']>;
};

/** English, for a web page. */
export const webLabels: Labels = {
  someone: 'The other party',

  incoming: 'Incoming call',
  incomingVideo: 'Incoming video call',
  calling: 'Calling…',
  ringing: 'Ringing…',
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',

  accept: 'Accept',
  reject: 'Decline',
  cancel: 'Cancel',
  end: 'End call',
  mute: 'Mute',
  resumeAudio: 'Turn sound on',
  again: 'Call again',
  close: 'Close',
  call: 'Call',

  hungUp: 'Call ended',
  youRejected: 'You declined the call',
  theyRejected: '{name} declined the call',
  youWereBusy: 'Missed call: you were in another one',
  theyAreBusy: '{name} is in another call',
  noAnswer: '{name} did not answer',
  missed: 'Missed call',
  youCanceled: 'Call canceled',
  timeLimit: 'The call reached its longest time',
  answeredElsewhere: 'The call is on another of your devices',
  unavailable: '{name} cannot be reached right now',
  failed: 'The connection was lost',
  notMade: 'The call could not begin',

  qualityGood: 'Good connection',
  qualityFair: 'Fair connection',
  qualityPoor: 'Poor connection',
  poorConnection:
    'The connection is poor. Another network, or a place closer to the router, may help.',
  noAudio: 'No sound is coming through. Ask whether the other side is muted.',
  audioBlocked: 'The browser is holding the sound back.',

  errors: {
    permission_denied:
      'The microphone is blocked. Allow it for this page in the browser’s settings, then try again.',
    device_not_found: 'No microphone was found. Connect one, then try again.',
    device_in_use: 'Another program is using the microphone. Close that program, then try again.',
    unsupported:
      'This browser cannot hold calls here. Open the page over HTTPS in a current browser.',
    media_failed: 'No sound gets through. Try another network, or turn a VPN off, then try again.',
    offline: 'There is no connection. Check your network, then try again.',
    bad_request: 'The call was refused. Reload the page, then try again.',
    unauthorized: 'You are signed out. Sign in, then try again.',
    forbidden: 'You cannot make this call.',
    not_found: 'What this call is about does not exist any more.',
    conflict: 'This call is not possible now: one of you is in a call, or the booking is closed.',
    rate_limited: 'Too many calls. Wait a minute, then try again.',
    too_large: 'The call was refused. Reload the page, then try again.',
    unavailable: 'The service does not answer right now. Try again in a moment.',
    unknown: 'Something went wrong. Try again in a moment.',
  },
};

/** English, for an app on a phone. */
export const nativeLabels: Labels = {
  ...webLabels,
  audioBlocked: 'The phone is holding the sound back.',
  errors: {
    ...webLabels.errors,
    permission_denied:
      'The microphone is blocked. Allow it for this app in the phone’s settings, then try again.',
    device_in_use: 'Another app is using the microphone. Close that app, then try again.',
    unsupported: 'This version of the app cannot hold calls. Update it, then try again.',
    bad_request: 'The call was refused. Start the app again, then try again.',
    too_large: 'The call was refused. Start the app again, then try again.',
  },
};

/** The default texts with an app's own in their place. */
export function withOverrides(defaults: Labels, own: LabelOverrides | undefined): Labels {
  if (own === undefined) return defaults;
  return { ...defaults, ...own, errors: { ...defaults.errors, ...own.errors } };
}

/** Puts the name into a text. */
export function fill(text: string, name: string): string {
  return text.replaceAll('{name}', () => name);
}
