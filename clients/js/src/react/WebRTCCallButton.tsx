import type { CSSProperties, ReactNode } from 'react';

import { webLabels } from '../screen/labels.js';
import { type CallButtonOptions, useCallButton } from '../screen/useCallButton.js';
import { PickUp } from './icons.js';

/** A call button's properties. */
export interface WebRTCCallButtonProps extends CallButtonOptions {
  /** What it says while there is no call; by default the label `call`. Given both, that label is
   * what screen readers say: of many buttons that say "Call", it tells whom. */
  children?: ReactNode;
  /** By default as the page around it. */
  theme?: 'light' | 'dark';
  className?: string;
  style?: CSSProperties;
}

/** Calls the other party of a booking. During a call it says how that stands, and does nothing. */
export function WebRTCCallButton(props: WebRTCCallButtonProps): ReactNode {
  const { size = 'medium', variant = 'primary', children, theme, className, style } = props;
  const { text, live, disabled, press } = useCallButton(props, webLabels);
  const ownName = variant === 'icon' || (!live && props.labels?.call !== undefined);
  return (
    <button
      type="button"
      className={['maskline-button', className].filter(Boolean).join(' ')}
      style={style}
      data-size={size}
      data-variant={variant}
      data-theme={theme}
      // Not `disabled`: the focus comes back here after the call.
      aria-disabled={disabled || undefined}
      aria-label={ownName ? text : undefined}
      title={variant === 'icon' ? text : undefined}
      onClick={press}
    >
      <PickUp />
      {variant !== 'icon' && <span>{live ? text : (children ?? text)}</span>}
    </button>
  );
}
