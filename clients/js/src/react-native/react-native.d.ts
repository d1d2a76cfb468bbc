/** As much of React Native's types as the screens use: an app brings React Native itself. */
declare module 'react-native' {
  import type { ComponentType, ReactNode } from 'react';

  export type ColorValue = string;

  /** Styles of React Native: names and values that it checks itself. */
  export type Style = Record<string, unknown>;
  export type StyleProp = Style | false | undefined | readonly StyleProp[];

  interface CommonProps {
    style?: StyleProp;
    children?: ReactNode;
    testID?: string;
    role?: 'button' | 'heading' | 'img' | 'timer' | 'dialog';
    accessible?: boolean;
    accessibilityLabel?: string;
    accessibilityRole?: 'button' | 'header' | 'image' | 'timer';
    accessibilityState?: { disabled?: boolean; selected?: boolean };
    accessibilityLiveRegion?: 'none' | 'polite' | 'assertive';
    accessibilityViewIsModal?: boolean;
    importantForAccessibility?: 'auto' | 'yes' | 'no' | 'no-hide-descendants';
    accessibilityElementsHidden?: boolean;
  }

  export const View: ComponentType<CommonProps>;
  export const Text: ComponentType<CommonProps & { numberOfLines?: number }>;
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
    statusBarTranslucent?: boolean;
    onRequestClose?: () => void;
  }>;
  export const ScrollView: ComponentType<CommonProps & { contentContainerStyle?: StyleProp }>;
  export const StyleSheet: { create<T extends Record<string, Style>>(styles: T): T };
  export const AccessibilityInfo: { announceForAccessibility(text: string): void };
  export function useColorScheme(): 'light' | 'dark' | null | undefined;
}
