/** What runs in every page before the page's own scripts: it keeps what the tests measure. */

/** What a page has made and shown. */
export interface Recorded {
  peers: RTCPeerConnection[];
  tracks: MediaStreamTrack[];
  /** Clicks and what call screens showed, in order. */
  moments: Moment[];
}

/** Something a person did or saw. */
export interface Moment {
  kind: 'click' | 'phase' | 'status';
  what: string;
  /** Milliseconds since 1970, finer than whole ones. */
  at: number;
}

/** How a page gets its microphone: at once, or its person never answers, or it gets an error. */
export type Microphone = 'works' | 'asked for' | 'NotAllowedError' | 'NotFoundError';

declare global {
  interface Window {
    recorded: Recorded;
  }
}

/** Goes into the page as text: it must not use anything from outside. */
export function record(microphone: Microphone): void {
  const recorded: Recorded = { peers: [], tracks: [], moments: [] };
  window.recorded = recorded;
  window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
    construct(target, given, newTarget) {
      const peer: RTCPeerConnection = Reflect.construct(target, given, newTarget);
      recorded.peers.push(peer);
      return peer;
    },
  });
  const devices = navigator.mediaDevices;
  const ask = devices?.getUserMedia.bind(devices);
  if (devices) {
    devices.getUserMedia = async (wanted) => {
      if (microphone === 'asked for') return new Promise(() => undefined);
      // The flag with which a page is given a microphone unasked cannot be taken back for one.
      if (microphone !== 'works') throw new DOMException('as the test wants it', microphone);
      const stream = await ask(wanted);
      recorded.tracks.push(...stream.getTracks());
      return stream;
    };
  }

  const moment = (kind: Moment['kind'], what: string) => {
    recorded.moments.push({ kind, what, at: performance.timeOrigin + performance.now() });
  };
  const button = (target: EventTarget | null) =>
    target instanceof Element ? target.closest('button') : null;
  addEventListener(
    'click',
    ({ target }) => moment('click', button(target)?.textContent?.trim() ?? ''),
    true,
  );
  let phase = '';
  let status = '';
  new MutationObserver(() => {
    const dialog = document.querySelector('dialog');
    const phaseNow = dialog?.dataset['phase'] ?? '';
    const statusNow = dialog?.querySelector('.maskline-status')?.textContent ?? '';
    if (phaseNow !== phase) moment('phase', (phase = phaseNow));
    if (statusNow !== status) moment('status', (status = statusNow));
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}
