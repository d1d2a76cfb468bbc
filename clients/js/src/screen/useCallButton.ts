/** What the call buttons of the web and of React Native have in common. */

import { isLive } from '../call.js';
import { useLiveCall, useWebRTCCall } from '../hooks/hooks.js';
import { useClient } from '../hooks/provider.js';
import type { Maskline } from '../types.js';
import { type LabelOverrides, type Labels, withOverrides } from './labels.js';
import { callView } from './view.js';

/** What call buttons take. */
export interface CallButtonOptions {
  bookingId: string;
  size?: 'small' | 'medium' | 'large';
  variant?: 'primary' | 'secondary' | 'icon';
  /** Asks for the camera, too. */
  video?: boolean;
  disabled?: boolean;
  /** The client, where there is no `MasklineProvider`. */
  client?: Maskline;
  labels?: LabelOverrides;
}

/** A button's content, and what it does. */
export interface CallButtonModel {
  /** What it says: how the call of its booking stands, or "Call". */
  readonly text: string;
  /** The call of its booking rings or runs. */
  readonly live: boolean;
  /** Nobody can call: there is a call already, or no client. */
  readonly disabled: boolean;
  press(): void;
}

/** The button that calls the other party of a booking. */
export function useCallButton(options: CallButtonOptions, defaults: Labels): CallButtonModel {
  const { bookingId, video = false } = options;
  const client = useClient(options.client);
  const call = useWebRTCCall({ bookingId, client });
  const another = useLiveCall({ client });
  const labels = withOverrides(defaults, options.labels);
  const live = isLive(call);
  const disabled = options.disabled || client === undefined || another !== undefined;
  return {
    text: (live && callView(call, labels)?.status) || labels.call,
    live,
    disabled,
    press: () => {
      if (!disabled) void call.initiate({ video });
    },
  };
}
