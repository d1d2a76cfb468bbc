import type { Ringtone } from '../screen/ringtone.js';

/** Hertz, and seconds of tone and of silence: Europe's ring-back tone (ITU-T E.180), and for an
 * incoming call a brighter, quicker one. */
const TONES = {
  outgoing: { frequencies: [425], on: 1, off: 4, volume: 0.08 },
  incoming: { frequencies: [660, 880], on: 0.8, off: 1.2, volume: 0.15 },
};

/** No call rings longer than this. */
const SECONDS = 600;

/** A ringing tone made by the browser, without a sound file. Browsers keep it silent on pages that
 * nobody has touched yet. */
export function ringingTone(): Ringtone {
  let context: AudioContext | undefined;
  const stop = () => {
    void context?.close();
    context = undefined;
  };
  return {
    start(kind) {
      stop();
      if (typeof AudioContext === 'undefined') return;
      context = new AudioContext();
      play(context, TONES[kind]);
    },
    stop,
  };
}

function play(context: AudioContext, tone: (typeof TONES)['incoming']): void {
  const gain = context.createGain();
  gain.connect(context.destination);
  gain.gain.value = 0;
  for (let at = context.currentTime; at < SECONDS; at += tone.on + tone.off) {
    // A hard edge would click.
    gain.gain.setTargetAtTime(tone.volume, at, 0.02);
    gain.gain.setTargetAtTime(0, at + tone.on, 0.02);
  }
  for (const frequency of tone.frequencies) {
    const oscillator = context.createOscillator();
    oscillator.frequency.value = frequency;
    oscillator.connect(gain);
    oscillator.start();
  }
}
