import { useColorScheme } from 'react-native';

/** The screens' colours. */
export interface Theme {
  surface: string;
  text: string;
  quietText: string;
  accent: string;
  onAccent: string;
  accept: string;
  danger: string;
  /** Buttons and boxes that are neither. */
  control: string;
}

const LIGHT: Theme = {
  surface: '#ffffff',
  text: '#12151c',
  quietText: '#535b6b',
  accent: '#2450d6',
  onAccent: '#ffffff',
  accept: '#15803d',
  danger: '#c4283a',
  control: '#e8ebf2',
};

const DARK: Theme = {
  ...LIGHT,
  surface: '#151922',
  text: '#f3f5f9',
  quietText: '#a8b0c0',
  accent: '#8fabff',
  onAccent: '#0c1430',
  control: '#2b3140',
};

/** The system's theme with an app's own colours in it. */
export function useTheme(own: Partial<Theme> | undefined): Theme {
  const theme = useColorScheme() === 'dark' ? DARK : LIGHT;
  return own ? { ...theme, ...own } : theme;
}

/** The theme over a picture, whatever that shows: white on 60 % black has a contrast of 5.7 to 1 at
 * least (WCAG 2.2, 1.4.3). */
export function overPicture(theme: Theme): Theme {
  const [black, white] = ['#000000', '#ffffff'];
  return { ...theme, surface: black, text: white, quietText: white, control: 'rgba(0, 0, 0, 0.6)' };
}
