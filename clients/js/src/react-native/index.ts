/** Hooks and screens for React Native. */

export {
  useConnection,
  useIncomingCall,
  useLiveCall,
  useWebRTCCall,
  type WebRTCCall,
} from '../hooks/hooks.js';
export { MasklineProvider, useMaskline, type MasklineProviderProps } from '../hooks/provider.js';
export { nativeLabels, type LabelOverrides, type Labels } from '../screen/labels.js';
export type { Ringtone } from '../screen/ringtone.js';
export { callView, clockTime, type Action, type CallView, type Phase } from '../screen/view.js';
export { CallScreen, type CallScreenProps, type VideoViewProps } from './CallScreen.js';
export { WebRTCCallButton, type WebRTCCallButtonProps } from './WebRTCCallButton.js';
export type { Theme } from './theme.js';
export {
  createNativePlatform,
  type AudioRoute,
  type NativePlatformOptions,
  type NativeWebRTC,
} from './platform.js';
export {
  bridgeCallUi,
  type CallUi,
  type CallUiBridge,
  type CallUiEvent,
  type ReportedCall,
} from './callUi.js';
export { handlePush, readPush, type IncomingPush } from './push.js';
