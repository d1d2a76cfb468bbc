/** The tag page's script. The page is whole without it; with it, the owner can be rung from
 * here. What the page holds is named in `functions/tag-page/src/page.rs`. */

import { type Call, type Maskline, createMaskline } from '../../js/src/index.js';
import { NoVisit, askForVisit } from './visit.js';
import { GIVEN_UP, STARTING, type View, clock, noVisit, view } from './words.js';

const web = document.getElementById('web');
const phone = document.getElementById('phone');
// Browsers hold these back from pages that did not come over HTTPS.
const able = 'RTCPeerConnection' in globalThis && navigator.mediaDevices !== undefined;
if (web && phone && able) offerCalls(web, phone);

function offerCalls(web: HTMLElement, phone: HTMLElement): void {
  const start = web.querySelector('button')!;
  const status = web.querySelector('p')!;
  const time = add('p', '', 'time');
  const sound = add('button', 'Turn the sound on');
  const answer = add('button', 'Answer', 'call');
  const mute = add('button', 'Mute');
  const end = add('button', 'Hang up', 'end');
  /** The telephone's link, and what is said of it. */
  const telephone = phone.parentElement!;
  const home = telephone.nextSibling;
  let client: Maskline | undefined;
  let call: Call | undefined;
  /** Until when a call may begin, in milliseconds since 1970. */
  let openUntil = 0;
  let shown: View['phase'] = 'before';
  /** Counts the clicks: a visit that comes after the person gave up is not used. */
  let attempt = 0;

  start.addEventListener('click', () => void ring());
  sound.addEventListener('click', () => void call?.resumeAudio());
  answer.addEventListener('click', () => void call?.accept());
  mute.addEventListener('click', () => call?.toggleMute());
  end.addEventListener('click', hangUp);
  setInterval(tick, 1000);
  web.hidden = false;

  function add<T extends 'p' | 'button'>(kind: T, words: string, style = '') {
    const made = document.createElement(kind);
    made.textContent = words;
    made.className = style;
    made.hidden = true;
    web.append(made);
    return made;
  }

  async function ring(): Promise<void> {
    const mine = ++attempt;
    client?.close();
    call = undefined;
    show(STARTING);
    try {
      const visit = await askForVisit(web.dataset['visits']!);
      if (mine !== attempt) return;
      const { token, userId, bookingId, socketUrl } = visit;
      openUntil = Date.parse(visit.expiresAt);
      const getToken = () => token;
      client = createMaskline({ socketUrl, apiUrl: location.origin, userId, getToken });
      // From now on the owner can call back, too.
      client.connect();
      call = client.call(bookingId);
      call.subscribe(draw);
      await call.initiate();
    } catch (thrown) {
      if (mine === attempt) show(noVisit(thrown instanceof NoVisit ? thrown : new NoVisit('unavailable')));
    }
  }

  function hangUp(): void {
    attempt += 1;
    if (call) call.end();
    else show(GIVEN_UP);
  }

  function draw(): void {
    if (call) show(view(call.getSnapshot()));
    tick();
  }

  function show({ words, phase, phoneInstead }: View): void {
    const snapshot = call?.getSnapshot();
    // What did not change is not read out again.
    if (status.textContent !== words) status.textContent = words;
    const lively = phase === 'during' || phase === 'talking' || phase === 'incoming';
    start.hidden = lively;
    telephone.hidden = lively;
    end.hidden = !lively;
    answer.hidden = phase !== 'incoming';
    mute.hidden = phase !== 'talking';
    time.hidden = phase !== 'talking';
    sound.hidden = !snapshot?.audioBlocked;
    mute.setAttribute('aria-pressed', String(snapshot?.muted ?? false));
    end.textContent = phase === 'incoming' ? 'Decline' : phase === 'talking' ? 'Hang up' : 'Cancel';
    offerPhone(phoneInstead);
    // Focus goes along: what had it is gone.
    if (phase !== shown) {
      shown = phase;
      const next = phase === 'incoming' ? answer : lively ? end : phoneInstead ? phone : start;
      next.focus();
    }
  }

  /** Puts the telephone first among the ways to try again, or back where it was. */
  function offerPhone(now: boolean): void {
    if (now === web.contains(telephone)) return;
    if (now) web.prepend(status, telephone, start);
    else {
      web.prepend(start, status);
      web.parentNode?.insertBefore(telephone, home);
    }
  }

  /** The time counts, and is not read out. Once no call can begin any more, a page that was left
   * open keeps no connection. */
  function tick(): void {
    const { status: at, acceptedAt } = call?.getSnapshot() ?? {};
    if ((at === 'idle' || at === 'ended') && Date.now() >= openUntil) {
      client?.close();
      client = undefined;
    }
    if (at !== 'connected' || acceptedAt === undefined) return;
    time.textContent = clock(Math.max(0, Math.floor((Date.now() - acceptedAt) / 1000)));
  }
}
