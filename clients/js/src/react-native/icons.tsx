/** Pictures drawn with plain views: React Native itself draws no vector graphics. */

import type { ReactNode } from 'react';
import { StyleSheet, View } from 'react-native';

import type { Action } from '../screen/view.js';

interface IconProps {
  color: string;
}

function Handset({ color, lifted }: IconProps & { lifted: boolean }): ReactNode {
  const fill = { backgroundColor: color };
  return (
    <View style={[styles.box, lifted && styles.lifted]}>
      <View style={[styles.grip, fill]} />
      <View style={[styles.ear, styles.left, fill]} />
      <View style={[styles.ear, styles.right, fill]} />
    </View>
  );
}

function Microphone({ color, off }: IconProps & { off: boolean }): ReactNode {
  const fill = { backgroundColor: color };
  return (
    <View style={styles.box}>
      <View style={[styles.capsule, fill]} />
      <View style={[styles.cradle, { borderColor: color }]} />
      <View style={[styles.stem, fill]} />
      {off && <View style={[styles.slash, fill]} />}
    </View>
  );
}

function Cross({ color }: IconProps): ReactNode {
  const fill = { backgroundColor: color };
  return (
    <View style={styles.box}>
      <View style={[styles.bar, styles.falling, fill]} />
      <View style={[styles.bar, styles.rising, fill]} />
    </View>
  );
}

function Speaker({ color }: IconProps): ReactNode {
  return (
    <View style={styles.box}>
      <View style={[styles.magnet, { backgroundColor: color }]} />
      <View style={[styles.cone, { borderRightColor: color }]} />
      <View style={[styles.wave, { borderRightColor: color }]} />
    </View>
  );
}

/** The picture of a button. */
export function ActionIcon(props: IconProps & { action: Action; pressed?: boolean }): ReactNode {
  const { action, color, pressed = false } = props;
  switch (action) {
    case 'accept':
    case 'again':
      return <Handset color={color} lifted />;
    case 'reject':
    case 'cancel':
    case 'end':
      return <Handset color={color} lifted={false} />;
    case 'mute':
      return <Microphone color={color} off={pressed} />;
    case 'resumeAudio':
      return <Speaker color={color} />;
    case 'close':
      return <Cross color={color} />;
  }
}

const styles = StyleSheet.create({
  box: { width: 30, height: 30, alignItems: 'center', justifyContent: 'center' },
  lifted: { transform: [{ rotate: '-135deg' }] },
  grip: {
    position: 'absolute',
    top: 10,
    left: 3,
    width: 24,
    height: 7,
    borderTopLeftRadius: 12,
    borderTopRightRadius: 12,
  },
  ear: { position: 'absolute', top: 13, width: 8, height: 7, borderRadius: 2 },
  left: { left: 2 },
  right: { right: 2 },
  capsule: { position: 'absolute', top: 3, width: 9, height: 14, borderRadius: 5 },
  cradle: {
    position: 'absolute',
    top: 9,
    width: 17,
    height: 12,
    borderWidth: 2,
    borderTopWidth: 0,
    borderBottomLeftRadius: 9,
    borderBottomRightRadius: 9,
  },
  stem: { position: 'absolute', top: 21, width: 2, height: 6 },
  slash: { position: 'absolute', width: 2.5, height: 28, transform: [{ rotate: '-45deg' }] },
  bar: { position: 'absolute', width: 2.5, height: 22, borderRadius: 2 },
  falling: { transform: [{ rotate: '-45deg' }] },
  rising: { transform: [{ rotate: '45deg' }] },
  magnet: { position: 'absolute', left: 4, top: 11, width: 6, height: 8 },
  cone: {
    position: 'absolute',
    left: 5,
    top: 6,
    borderTopWidth: 9,
    borderBottomWidth: 9,
    borderRightWidth: 11,
    borderTopColor: 'transparent',
    borderBottomColor: 'transparent',
  },
  wave: {
    position: 'absolute',
    left: 12,
    top: 8,
    width: 12,
    height: 14,
    borderRadius: 7,
    borderRightWidth: 2,
  },
});
