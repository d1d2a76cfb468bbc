import { type ComponentType, type ReactNode, useEffect } from 'react';
import { AccessibilityInfo, Modal, Pressable, StyleSheet, Text, View } from 'react-native';

import { nativeLabels } from '../screen/labels.js';
import {
  type CallScreenModel,
  type CallScreenOptions,
  useCallScreen,
} from '../screen/useCallScreen.js';
import type { Action, CallView, QualityView } from '../screen/view.js';
import { ActionIcon } from './icons.js';
import { type Theme, overPicture, useTheme } from './theme.js';

/** What draws a stream: `RTCView` of react-native-webrtc, given `stream.toURL()`. */
export interface VideoViewProps {
  stream: MediaStream;
  /** The person's own picture. */
  mirrored: boolean;
}

/** A call screen's properties. */
export interface CallScreenProps extends CallScreenOptions {
  /** An app's own colours. */
  theme?: Partial<Theme>;
  /** Draws the pictures of a video call; without it there are none. */
  VideoView?: ComponentType<VideoViewProps>;
}

/**
 * The screen of a call from its ringing to its end; nothing while there is no call. It covers the
 * app. Android's back button closes the screen of an ended call, and does nothing before.
 */
export function CallScreen(props: CallScreenProps): ReactNode {
  const model = useCallScreen(props, nativeLabels);
  const ownTheme = useTheme(props.theme);
  const announcement = model?.view.announcement;
  useEffect(() => {
    // Live regions are Android's; this is heard on both systems.
    if (announcement !== undefined) AccessibilityInfo.announceForAccessibility(announcement);
  }, [announcement]);
  if (model === undefined) return null;
  const { view, snapshot, press } = model;
  const pictured = !!props.VideoView && snapshot.video && !!snapshot.remoteStream;
  const theme = pictured ? overPicture(ownTheme) : ownTheme;
  const back = () => {
    if (view.phase === 'ended') press('close');
  };
  return (
    <Modal visible animationType="slide" presentationStyle="fullScreen" onRequestClose={back}>
      <View style={[styles.screen, { backgroundColor: theme.surface }]} accessibilityViewIsModal>
        {props.VideoView && <Videos model={model} VideoView={props.VideoView} />}
        <Party view={view} theme={theme} pictured={pictured} />
        <View style={styles.actions}>
          {view.actions.map((action) => (
            <ActionButton key={action} {...{ action, model, theme, pictured }} />
          ))}
        </View>
      </View>
    </Modal>
  );
}

interface PartyProps {
  view: CallView;
  theme: Theme;
  /** It lies over the other party's picture. */
  pictured: boolean;
}

function Party({ view, theme, pictured }: PartyProps): ReactNode {
  const quiet = { color: theme.quietText };
  const text = { color: theme.text };
  const scrim = pictured && [styles.scrim, { backgroundColor: theme.control }];
  return (
    <View style={styles.party}>
      {!pictured && <Avatar initials={view.initials} theme={theme} />}
      <View style={[styles.about, scrim]}>
        <Text style={[styles.name, text]} accessibilityRole="header">
          {view.name}
        </Text>
        {view.service !== undefined && <Text style={[styles.line, quiet]}>{view.service}</Text>}
        <Text style={[styles.line, quiet]}>{view.status}</Text>
        <View style={styles.facts}>
          {view.timer !== undefined && (
            <Text style={[styles.timer, text]} accessibilityRole="timer">
              {view.timer}
            </Text>
          )}
          {view.quality && <QualityBars quality={view.quality} theme={theme} />}
        </View>
        {view.hint !== undefined && (
          <Text style={[styles.hint, text, { backgroundColor: theme.control }]}>{view.hint}</Text>
        )}
      </View>
    </View>
  );
}

function Avatar({ initials, theme }: { initials: string; theme: Theme }): ReactNode {
  return (
    <View
      style={[styles.avatar, { backgroundColor: theme.accent }]}
      importantForAccessibility="no-hide-descendants"
      accessibilityElementsHidden
    >
      {initials ? (
        <Text style={[styles.initials, { color: theme.onAccent }]}>{initials}</Text>
      ) : (
        <ActionIcon action="accept" color={theme.onAccent} />
      )}
    </View>
  );
}

function QualityBars({ quality, theme }: { quality: QualityView; theme: Theme }): ReactNode {
  const lit = quality.bars === 1 ? theme.danger : theme.accept;
  return (
    <View
      style={styles.quality}
      accessible
      accessibilityRole="image"
      accessibilityLabel={quality.text}
    >
      {[1, 2, 3].map((bar) => {
        const backgroundColor = bar <= quality.bars ? lit : theme.control;
        return <View key={bar} style={[styles.bar, { height: bar * 5, backgroundColor }]} />;
      })}
    </View>
  );
}

interface ActionButtonProps {
  action: Action;
  model: CallScreenModel;
  theme: Theme;
  /** It lies over the other party's picture. */
  pictured: boolean;
}

function ActionButton({ action, model, theme, pictured }: ActionButtonProps): ReactNode {
  const { view, labels, press } = model;
  const isMute = action === 'mute';
  const muted = isMute && view.muted;
  const [back, front] = discColors(action, muted, theme);
  const scrim = pictured && [styles.labelScrim, { backgroundColor: theme.control }];
  return (
    <Pressable
      style={({ pressed }) => [styles.action, pressed && styles.pressed]}
      accessibilityRole="button"
      accessibilityLabel={labels[action]}
      accessibilityState={isMute ? { selected: muted } : undefined}
      onPress={() => press(action)}
    >
      <View style={[styles.disc, { backgroundColor: back }]}>
        <ActionIcon action={action} color={front} pressed={muted} />
      </View>
      <Text style={[styles.label, { color: theme.text }, scrim]}>{labels[action]}</Text>
    </Pressable>
  );
}

function discColors(action: Action, muted: boolean, theme: Theme): [string, string] {
  switch (action) {
    case 'accept':
    case 'again':
    case 'resumeAudio':
      return [theme.accept, '#ffffff'];
    case 'reject':
    case 'cancel':
    case 'end':
      return [theme.danger, '#ffffff'];
    case 'mute':
      return muted ? [theme.text, theme.surface] : [theme.control, theme.text];
    case 'close':
      return [theme.control, theme.text];
  }
}

interface VideosProps {
  model: CallScreenModel;
  VideoView: ComponentType<VideoViewProps>;
}

function Videos({ model, VideoView }: VideosProps): ReactNode {
  const { video, remoteStream, localStream } = model.snapshot;
  if (!video) return null;
  return (
    <>
      {remoteStream && (
        <View style={styles.remote}>
          <VideoView stream={remoteStream} mirrored={false} />
        </View>
      )}
      {localStream && (
        <View style={styles.local}>
          <VideoView stream={localStream} mirrored />
        </View>
      )}
    </>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, paddingHorizontal: 24, paddingTop: 72, paddingBottom: 56 },
  party: { flex: 1, alignItems: 'center', justifyContent: 'center' },
  about: { alignItems: 'center' },
  scrim: { paddingHorizontal: 20, paddingVertical: 14, borderRadius: 20 },
  avatar: {
    width: 112,
    height: 112,
    borderRadius: 56,
    marginBottom: 24,
    alignItems: 'center',
    justifyContent: 'center',
  },
  initials: { fontSize: 40, fontWeight: '600' },
  name: { fontSize: 28, fontWeight: '700', textAlign: 'center' },
  line: { fontSize: 17, marginTop: 6, textAlign: 'center' },
  facts: { flexDirection: 'row', alignItems: 'center', gap: 12, marginTop: 8 },
  timer: { fontSize: 19, fontVariant: ['tabular-nums'] },
  quality: { flexDirection: 'row', alignItems: 'flex-end', gap: 3, height: 15 },
  bar: { width: 4, borderRadius: 1 },
  hint: {
    fontSize: 15,
    marginTop: 16,
    paddingHorizontal: 16,
    paddingVertical: 12,
    borderRadius: 14,
    overflow: 'hidden',
    textAlign: 'center',
  },
  actions: { flexDirection: 'row', justifyContent: 'center', gap: 40 },
  action: { alignItems: 'center', minWidth: 80 },
  pressed: { opacity: 0.7 },
  disc: { width: 68, height: 68, borderRadius: 34, alignItems: 'center', justifyContent: 'center' },
  label: { fontSize: 14, marginTop: 8 },
  labelScrim: { paddingHorizontal: 8, paddingVertical: 2, borderRadius: 8, overflow: 'hidden' },
  remote: { position: 'absolute', top: 0, bottom: 0, left: 0, right: 0 },
  local: { position: 'absolute', top: 48, right: 16, width: 110, height: 150 },
});
