import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  type SyntheticEvent,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
} from 'react';

import { webLabels } from '../screen/labels.js';
import {
  type CallScreenModel,
  type CallScreenOptions,
  useCallScreen,
} from '../screen/useCallScreen.js';
import type { Action, CallView, QualityView } from '../screen/view.js';
import { ActionIcon } from './icons.js';

/** A call screen's properties. */
export interface CallScreenProps extends CallScreenOptions {
  /** By default as the system has it. */
  theme?: 'light' | 'dark';
  className?: string;
  /** A place for the theme's custom properties, `--maskline-accent` for instance. */
  style?: CSSProperties;
}

/**
 * The screen of a call from its ringing to its end; nothing while there is no call.
 *
 * It is a modal dialog, and when it opens, the dialog itself has the focus and none of its buttons:
 * a key that was meant for something else neither takes a call nor ends one. For the same reason
 * Escape and Android's back gesture close the screen of an ended call only.
 */
export function CallScreen(props: CallScreenProps): ReactNode {
  const model = useCallScreen(props, webLabels);
  return model ? <Dialog {...props} model={model} /> : null;
}

type DialogProps = Pick<CallScreenProps, 'theme' | 'className' | 'style'> & {
  model: CallScreenModel;
};

function Dialog({ model, theme, className, style }: DialogProps): ReactNode {
  const { view, snapshot, labels, press } = model;
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useModal(dialog, view.phase === 'ended' ? () => press('close') : undefined);
  useFocusInside(dialog, view.actions);

  const dismiss = (event: SyntheticEvent) => {
    event.preventDefault();
    if (view.phase === 'ended') press('close');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Browsers close a modal dialog at the second Escape, whatever its `cancel` handler says.
    if (event.key === 'Escape') dismiss(event);
  };
  return (
    <dialog
      ref={dialog}
      className={['maskline-dialog', className].filter(Boolean).join(' ')}
      style={style}
      data-theme={theme}
      data-phase={view.phase}
      tabIndex={-1}
      aria-modal="true"
      aria-labelledby={`${id}-name`}
      aria-describedby={`${id}-status`}
      onKeyDown={onKeyDown}
      onCancel={dismiss}
    >
      {snapshot.video && <Videos model={model} />}
      <div className="maskline-party">
        <div className="maskline-avatar" aria-hidden="true">
          {view.initials || <ActionIcon action="accept" pressed={false} />}
        </div>
        <h2 className="maskline-name" id={`${id}-name`}>
          {view.name}
        </h2>
        {view.service && <p className="maskline-service">{view.service}</p>}
        <p className="maskline-status" id={`${id}-status`}>
          {view.status}
        </p>
        <Facts view={view} />
        {view.hint && <p className="maskline-hint">{view.hint}</p>}
      </div>
      <p className="maskline-unseen" role="status">
        {view.announcement}
      </p>
      <div className="maskline-actions">
        {view.actions.map((action) => (
          <button
            key={action}
            type="button"
            className="maskline-action"
            data-action={action}
            aria-pressed={action === 'mute' ? view.muted : undefined}
            onClick={() => press(action)}
          >
            <span className="maskline-disc">
              <ActionIcon action={action} pressed={view.muted} />
            </span>
            <span className="maskline-label">{labels[action]}</span>
          </button>
        ))}
      </div>
    </dialog>
  );
}

function Facts({ view }: { view: CallView }): ReactNode {
  if (view.timer === undefined && view.quality === undefined) return null;
  return (
    <p className="maskline-facts">
      {view.timer !== undefined && (
        <span className="maskline-timer" role="timer">
          {view.timer}
        </span>
      )}
      {view.quality && <QualityBars {...view.quality} />}
    </p>
  );
}

function QualityBars({ bars, text }: QualityView): ReactNode {
  return (
    <span className="maskline-quality" role="img" aria-label={text} title={text} data-bars={bars}>
      <span />
      <span />
      <span />
    </span>
  );
}

/** The sound is the client's; the pictures are silent. */
function Videos({ model: { snapshot } }: { model: CallScreenModel }): ReactNode {
  return (
    <div className="maskline-videos" aria-hidden="true">
      <Video stream={snapshot.remoteStream} className="maskline-remote" />
      <Video stream={snapshot.localStream} className="maskline-local" />
    </div>
  );
}

function Video({
  stream,
  className,
}: {
  stream: MediaStream | undefined;
  className: string;
}): ReactNode {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream ?? null;
  }, [stream]);
  return stream ? <video ref={video} className={className} autoPlay playsInline muted /> : null;
}

/** Opens the dialog over the page, and gives the focus back when it goes. Where the browser closes
 * it, `onClose` is called, or without one it opens again: without a touch or key press before,
 * `cancel` cannot be prevented (HTML, close watchers), and nobody would see the call any more. */
function useModal(dialog: RefObject<HTMLDialogElement | null>, onClose?: () => void): void {
  const latest = useRef(onClose);
  useLayoutEffect(() => {
    latest.current = onClose;
  });
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return undefined;
    const before = document.activeElement;
    const open = () => {
      element.showModal();
      element.focus();
    };
    const closed = () => {
      // The event comes late: by then it may be open again.
      if (element.open || !element.isConnected) return;
      (latest.current ?? open)();
    };
    open();
    element.addEventListener('close', closed);
    return () => {
      element.removeEventListener('close', closed);
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [dialog]);
}

/** A button that goes away takes the focus with it: the dialog catches it. */
function useFocusInside(
  dialog: RefObject<HTMLDialogElement | null>,
  actions: readonly Action[],
): void {
  const buttons = actions.join();
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.contains(document.activeElement)) element.focus();
  }, [dialog, buttons]);
}
