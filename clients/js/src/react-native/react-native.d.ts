/** As much of React Native's types as the screens use: an app brings React Native itself. */
declare module 'react-native' {
  import type { ComponentType, ReactNode } from 'react';

  /** Styles of React Native: names and values that it checks itself. */
  export type Style = Record<string, unknown>;
  export type StyleProp = Style | false | undefined | readonly StyleProp[];

  interface CommonProps {
    style?: StyleProp;
    children?: ReactNode;
    accessible?: boolean;
    accessibilityLabel?: string;
    accessibilityRole?: 'button' | 'header' | 'image' | 'timer';
    accessibilityState?: { disabled?: boolean; selected?: boolean };
    accessibilityViewIsModal?: boolean;
    importantForAccessibility?: 'auto' | 'no-hide-descendants';
    accessibilityElementsHidden?: boolean;
  }

  export const View: ComponentType<CommonProps>;
  export const Text: ComponentType<CommonProps>;
  export const Pressable: ComponentType<
    Omit<CommonProps, 'style'> & {
      style?: StyleProp | ((state: { pressed: boolean }) => StyleProp);
      disabled?: boolean;
      hitSlop?: number;
      onPress?: () => void;
    }
  >;
  export const Modal: ComponentType<{
    children?: ReactNode;
    visible?: boolean;
    animationType?: 'none' | 'slide' | 'fade';
    presentationStyle?: 'fullScreen';
    onRequestClose?: () => void;
  }>;
  export const StyleSheet: { create<T extends Record<string, Style>>(styles: T): T };
  export const AccessibilityInfo: { announceForAccessibility(text: string): void };
  export function useColorScheme(): 'light' | 'dark' | null | undefined;
}
