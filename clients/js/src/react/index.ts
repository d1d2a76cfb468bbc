/** Hooks and screens for React in a browser. The screens want `@maskline/client/react/style.css`. */

export {
  useConnection,
  useIncomingCall,
  useLiveCall,
  useWebRTCCall,
  type WebRTCCall,
} from '../hooks/hooks.js';
export { MasklineProvider, useMaskline, type MasklineProviderProps } from '../hooks/provider.js';
export { webLabels, type LabelOverrides, type Labels } from '../screen/labels.js';
export type { Ringtone } from '../screen/ringtone.js';
export { callView, clockTime, type Action, type CallView, type Phase } from '../screen/view.js';
export { CallScreen, type CallScreenProps } from './CallScreen.js';
export { WebRTCCallButton, type WebRTCCallButtonProps } from './WebRTCCallButton.js';
export { ringingTone } from './ringingTone.js';
