/** Somebody whose end of the call is no browser's: `tests/interop/peer.py`. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

import { ROOT } from './files.js';
import { type Stack, tokenOf } from './stack.js';
import { until } from './until.js';

const PYTHON = join(ROOT, '.venv/interop/bin/python');
const PROGRAM = join(ROOT, 'tests/interop/peer.py');

/** What it tells: its name, and what belongs to it. */
interface Happening {
  happening: string;
  [more: string]: unknown;
}

/** A running peer. */
export class Peer {
  private readonly happenings: Happening[] = [];
  private problem = '';

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.happenings.push(JSON.parse(line));
    });
    child.stderr.on('data', (text) => (this.problem += text));
  }

  /** Starts one that calls, or takes the call that comes, in the demo booking. */
  static async start(
    t: TestContext,
    stack: Stack,
    user: 'asha' | 'ravi',
    what: 'call' | 'answer',
  ): Promise<Peer> {
    if (!existsSync(PYTHON)) throw new Error(`${PYTHON} is missing: make interop-peer`);
    const child = spawn(
      PYTHON,
      [
        ...[PROGRAM, what, '--user', user, '--booking', 'demo-booking'],
        ...['--socket', stack.socketUrl, '--api', stack.url],
      ],
      { env: { ...process.env, MASKLINE_TOKEN: tokenOf(user) } },
    );
    t.after(() => child.kill());
    const peer = new Peer(child);
    await peer.tells('joined');
    return peer;
  }

  /** Waits until it has told that. */
  async tells(happening: string, so: (told: Happening) => boolean = () => true): Promise<Happening> {
    return until(`the peer tells ${happening}`, () => {
      const found = this.happenings.find((told) => told.happening === happening && so(told));
      if (!found && this.child.exitCode !== null) {
        throw new Error(`the peer ended before it told ${happening}: ${this.problem}`);
      }
      return found;
    });
  }

  /** Waits until it hears something new; gives how much it has heard. */
  async hears(): Promise<number> {
    const energy = () => Number(this.happenings.findLast(isHeard)?.['energy'] ?? 0);
    const before = energy();
    await this.tells('heard', (told) => Number(told['energy']) > before + AUDIBLE);
    return energy();
  }

  hangUp(): void {
    this.child.stdin.write('end\n');
  }

  /** Waits until it has left, and left in good order. */
  async leaves(): Promise<void> {
    await until('the peer leaves', () => this.child.exitCode !== null);
    if (this.child.exitCode !== 0) throw new Error(`the peer failed: ${this.problem}`);
  }
}

const isHeard = ({ happening }: Happening) => happening === 'heard';
/** As for people: silence has none at all. */
const AUDIBLE = 0.01;
