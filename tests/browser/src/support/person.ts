/** Somebody with a page open: what they press, see and hear. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import type { BrowserContext, Locator, Page, Response, WebSocket } from 'playwright-core';

import { browser } from './browser.js';
import { artifacts } from './files.js';
import { PHONE, look } from './look.js';
import { type Microphone, type Moment, record } from './recorder.js';
import { type Stack, tokenOf } from './stack.js';
import { DEADLINE, until } from './until.js';

/** A frame of the WebSocket API, as it went through the page's socket. */
export interface Frame {
  way: 'sent' | 'received';
  /** The action of one that was sent, the event of one that was received. */
  name: string;
  data: Record<string, unknown>;
  text: string;
}

/** What the tests read of a peer connection's statistics. */
export interface Statistics {
  /** Of what was heard, since the connection was made (W3C webrtc-stats, totalAudioEnergy). */
  energy: number;
  /** The types of the other side's candidates: `host`, `srflx`, `prflx` or `relay`. */
  remoteCandidates: string[];
}

interface Options {
  microphone?: Microphone;
  /** Another way to the WebSocket API. */
  socketUrl?: string;
  /** Somebody else than the demo app's own person, who has these bookings. */
  as?: { id: string; name: string; bookings: string[] };
}

/** A person at a page of theirs. */
export class Person {
  readonly frames: Frame[] = [];
  /** What its scripts threw, and what its content security policy forbade. */
  private readonly problems: string[] = [];
  private readonly responses: Response[] = [];

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    /** Where calls are shown: the call screen, or a tag's page. */
    readonly screen: Locator,
  ) {
    page.setDefaultTimeout(DEADLINE);
    page.on('websocket', (socket) => this.listen(socket));
    page.on('pageerror', ({ message }) => this.problems.push(message));
    page.on('console', (said) => {
      if (said.text().includes('Content Security Policy')) this.problems.push(said.text());
    });
    page.on('response', (response) => this.responses.push(response));
  }

  /** Opens a demo app, and waits until its person can be called. */
  static async at(
    t: TestContext,
    stack: Stack,
    app: 'user' | 'provider' | 'owner',
    options: Options = {},
  ): Promise<Person> {
    const person = await Person.open(t, 'dialog', options);
    if (options.socketUrl ?? options.as) {
      const config = await (await fetch(`${stack.url}/demo/config.json`)).json();
      if (options.socketUrl) config.socketUrl = options.socketUrl;
      if (options.as) config[app] = { ...options.as, token: tokenOf(options.as.id) };
      await person.context.route('**/demo/config.json', (route) => route.fulfill({ json: config }));
    }
    await person.page.goto(`${stack.url}/demo/${app}`);
    await person.isOnline();
    return person;
  }

  /** Opens a tag's page. */
  static async visiting(t: TestContext, stack: Stack, tag: string, options: Options = {}): Promise<Person> {
    const person = await Person.open(t, 'main', options);
    await person.page.goto(`${stack.url}/t/${tag}`);
    return person;
  }

  private static async open(
    t: TestContext,
    screen: 'dialog' | 'main',
    options: Options,
  ): Promise<Person> {
    const context = await (await browser()).newContext({
      viewport: PHONE,
      // What moves is not in the pictures.
      reducedMotion: 'reduce',
    });
    await context.addInitScript(record, options.microphone ?? 'works');
    const page = await context.newPage();
    const person = new Person(page, context, page.getByRole(screen));
    t.after(async () => {
      const { passed } = t as TestContext & { passed: boolean };
      if (!passed) await person.leaveEvidence(t.name);
      await context.unrouteAll({ behavior: 'ignoreErrors' });
      await context.close();
      assert.deepEqual(person.problems, []);
    });
    return person;
  }

  /** What a test that failed leaves in `target/browser/failures`. */
  private async leaveEvidence(test: string): Promise<void> {
    if (this.page.isClosed()) return;
    const app = new URL(this.page.url()).pathname.replaceAll('/', ' ');
    const path = join(artifacts('failures'), `${test}${app}`);
    await this.page.screenshot({ path: `${path}.png` });
    const moments = await this.moments();
    const frames = this.frames.map(({ way, name, data }) => ({ way, name, data }));
    writeFileSync(`${path}.json`, JSON.stringify({ moments, frames }, null, 2));
  }

  private listen(socket: WebSocket): void {
    const keep = (way: Frame['way']) => (message: { payload: string | Buffer }) => {
      const text = String(message.payload);
      const { action, event, data } = JSON.parse(text);
      this.frames.push({ way, name: action ?? event, data, text });
    };
    socket.on('framesent', keep('sent'));
    socket.on('framereceived', keep('received'));
  }

  // ---- what they do

  /** Presses a button where calls are shown. */
  async press(name: string): Promise<void> {
    await this.screen.getByRole('button', { name, exact: true }).click();
  }

  /** Calls about a booking, named by its service. */
  async call(service = 'Bicycle repair'): Promise<void> {
    await this.callButton(service).click();
  }

  callButton(service = 'Bicycle repair'): Locator {
    const card = this.page.getByRole('listitem').filter({ hasText: service });
    return card.getByRole('button', { name: /^Call/ });
  }

  /** Has the browser close what is open, as Android's back gesture does: the page sees no key, now
   * and later. With several in a row it cannot prevent the last ones (HTML, close watchers). */
  async asksToClose(times: number): Promise<void> {
    await this.page.evaluate(() => {
      window.addEventListener('keydown', (event) => event.stopImmediatePropagation(), true);
    });
    for (let time = 0; time < times; time++) await this.page.keyboard.press('Escape');
  }

  async leave(): Promise<void> {
    await this.page.close({ runBeforeUnload: true });
  }

  // ---- what they see

  /** Waits until it says that, where calls are shown. */
  async sees(text: string): Promise<void> {
    await this.screen.getByText(text, { exact: true }).first().waitFor();
  }

  /** Waits until the call screen offers exactly these buttons. */
  async canPress(...names: string[]): Promise<void> {
    const buttons = this.screen.getByRole('button');
    await until(`buttons ${names.join(', ')}`, async () => {
      return (await buttons.allInnerTexts()).join() === names.join();
    });
  }

  async seesNoCall(): Promise<void> {
    await this.screen.waitFor({ state: 'detached' });
  }

  async isOnline(): Promise<void> {
    await this.page.locator('.connection[data-state=online]').waitFor();
  }

  async isCutOff(): Promise<void> {
    await this.page.locator('.connection:not([data-state=online])').waitFor();
  }

  /** Clicks, and what the call screen showed. */
  moments(): Promise<Moment[]> {
    return this.page.evaluate(() => window.recorded.moments);
  }

  /** Leaves pictures of their screen, and has it checked. */
  async looksAt(name: string): Promise<void> {
    await look(this.page, name);
  }

  /** Presses Tab until the button or link of that name has the focus. */
  async tabsTo(name: string): Promise<void> {
    await until(`the focus is on ${name}`, async () => {
      await this.page.keyboard.press('Tab');
      return (await this.focus()) === name;
    });
  }

  /** The text of what has the focus, for the call screen itself its name. */
  focus(): Promise<string> {
    return this.page.evaluate(() => {
      const focused = document.activeElement;
      if (focused instanceof HTMLDialogElement) return 'the call screen';
      return (focused?.getAttribute('aria-label') ?? focused?.textContent ?? '').trim();
    });
  }

  // ---- what they hear

  async statistics(): Promise<Statistics> {
    return this.page.evaluate(async () => {
      const found = { energy: 0, remoteCandidates: [] as string[] };
      const peer = window.recorded.peers.at(-1);
      for (const [, entry] of (await peer?.getStats()) ?? []) {
        if (entry.type === 'inbound-rtp' && entry.kind === 'audio') {
          found.energy += entry.totalAudioEnergy ?? 0;
        }
        if (entry.type === 'remote-candidate') found.remoteCandidates.push(entry.candidateType);
      }
      return found;
    });
  }

  /** Waits until they hear something new; gives how much has been heard in this call. */
  async hears(): Promise<number> {
    const { energy } = await this.statistics();
    return until('something new is heard', async () => {
      const now = (await this.statistics()).energy;
      return now > energy + AUDIBLE && now;
    });
  }

  /** Waits until nothing is left of a call: no connection to anybody, no open microphone. */
  async isQuiet(): Promise<void> {
    await until('connections are closed and microphones stopped', () =>
      this.page.evaluate(() => {
        const { peers, tracks } = window.recorded;
        const closed = peers.every(({ signalingState }) => signalingState === 'closed');
        return closed && tracks.every(({ readyState }) => readyState === 'ended');
      }),
    );
  }

  /** How many peer connections the page has made so far. */
  connectionsMade(): Promise<number> {
    return this.page.evaluate(() => window.recorded.peers.length);
  }

  /** How many of the page's microphones are open. */
  openMicrophones(): Promise<number> {
    return this.page.evaluate(
      () => window.recorded.tracks.filter(({ readyState }) => readyState === 'live').length,
    );
  }

  // ---- what was said behind the screen

  /** The frames since the `from`th that belong to calls: all but those of the connection itself. */
  callFrames(from = 0): Frame[] {
    return this.frames.slice(from).filter(({ name }) => !CONNECTION_FRAMES.includes(name));
  }

  /** All that the page has received so far, and what it shows. */
  async received(): Promise<string> {
    const frames = this.frames.filter(({ way }) => way === 'received').map(({ text }) => text);
    const texts = await Promise.all(this.responses.map((response) => response.text()));
    return [...texts, ...frames, await this.page.content()].join('\n');
  }

  /** The id of the call that the last frame of a call was about. */
  callId(): string {
    const named = this.callFrames().filter(({ data }) => typeof data['callId'] === 'string');
    return String(named.at(-1)?.data['callId']);
  }
}

const CONNECTION_FRAMES = ['join', 'joined', 'ping', 'pong'];

/** One beep of Chromium’s microphone has more than ten times that; silence has none at all. */
const AUDIBLE = 0.01;

/** Both sides hear each other. */
export async function hearEachOther(...people: Person[]): Promise<number[]> {
  return Promise.all(people.map((person) => person.hears()));
}

/** One calls, the other accepts, and both are connected. */
export async function talk(caller: Person, receiver: Person, service?: string): Promise<void> {
  await caller.call(service);
  await receiver.press('Accept');
  await Promise.all([caller.sees('Connected'), receiver.sees('Connected')]);
}
