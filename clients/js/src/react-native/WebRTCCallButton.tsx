import type { ReactNode } from 'react';
import { Pressable, StyleSheet, Text, View } from 'react-native';

import { nativeLabels } from '../screen/labels.js';
import { type CallButtonOptions, useCallButton } from '../screen/useCallButton.js';
import { ActionIcon } from './icons.js';
import { type Theme, useTheme } from './theme.js';

/** A call button's properties. */
export interface WebRTCCallButtonProps extends CallButtonOptions {
  /** An app's own colours. */
  theme?: Partial<Theme>;
}

const SIZES = {
  small: { height: 36, fontSize: 14, scale: 0.65 },
  medium: { height: 44, fontSize: 16, scale: 0.75 },
  large: { height: 56, fontSize: 18, scale: 0.9 },
};

/** Calls the other party of a booking. During a call it says how that stands, and does nothing. */
export function WebRTCCallButton(props: WebRTCCallButtonProps): ReactNode {
  const { size = 'medium', variant = 'primary' } = props;
  const { text, disabled, press } = useCallButton(props, nativeLabels);
  const theme = useTheme(props.theme);
  const { height, fontSize, scale } = SIZES[size];
  const primary = variant === 'primary' || variant === 'icon';
  const color = primary ? theme.onAccent : theme.accent;
  return (
    <Pressable
      style={({ pressed }) => [
        styles.button,
        { minHeight: height, borderColor: theme.accent },
        primary && { backgroundColor: theme.accent },
        variant === 'icon' ? { width: height } : styles.wide,
        (pressed || disabled) && styles.faint,
      ]}
      hitSlop={size === 'small' ? 4 : 0}
      disabled={disabled}
      accessibilityRole="button"
      accessibilityLabel={text}
      accessibilityState={{ disabled }}
      onPress={press}
    >
      <View style={{ transform: [{ scale }] }}>
        <ActionIcon action="accept" color={color} />
      </View>
      {variant !== 'icon' && <Text style={[styles.text, { color, fontSize }]}>{text}</Text>}
    </Pressable>
  );
}

const styles = StyleSheet.create({
  button: {
    flexDirection: 'row',
    alignItems: 'center',
    justifyContent: 'center',
    gap: 4,
    borderWidth: 1,
    borderRadius: 28,
  },
  wide: { paddingHorizontal: 16 },
  faint: { opacity: 0.6 },
  text: { fontWeight: '600' },
});
