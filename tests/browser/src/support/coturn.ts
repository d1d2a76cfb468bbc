/** A real TURN server: Debian's coturn. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';

import { artifacts } from './files.js';
import { freePorts } from './ports.js';
import { until } from './until.js';

/** Where its relays are: an address that nothing else here has, so it is known where it is seen. */
export const RELAY_ADDRESS = '127.0.0.2';

const SECRET = randomBytes(16).toString('hex');

/** A running coturn. */
export class Coturn {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /** Starts one, on a free port unless it is to take the place of another. */
  static async start(at?: number): Promise<Coturn> {
    const [port = 0] = at === undefined ? await freePorts(1) : [at];
    const folder = artifacts('coturn');
    const child = spawn(
      'turnserver',
      [
        ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--realm=maskline'],
        ...['--listening-ip=127.0.0.1', `--relay-ip=${RELAY_ADDRESS}`, `--listening-port=${port}`],
        ...['--use-auth-secret', `--static-auth-secret=${SECRET}`, '--allow-loopback-peers'],
        `--pidfile=${join(folder, `${port}.pid`)}`,
        `--userdb=${join(folder, `${port}.db`)}`,
        ...['--log-file=stdout', '--simple-log'],
      ],
      { stdio: 'ignore' },
    );
    let problem: Error | undefined;
    child.once('error', (error) => (problem = error));
    child.once('exit', (code) => (problem ??= new Error(`coturn ended with ${code}`)));
    await until('coturn listens', () => {
      if (problem) throw new Error(`${problem.message}: make turn-server`);
      return listens(port);
    });
    return new Coturn(child, port);
  }

  /** What a stack is to be told so that all calls go through here. */
  get settings(): Record<string, string> {
    return {
      TURN_URLS: `turn:127.0.0.1:${this.port}?transport=udp`,
      TURN_SECRET: SECRET,
      ICE_POLICY: 'relay',
    };
  }

  /** Nothing passes until `resume`. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
