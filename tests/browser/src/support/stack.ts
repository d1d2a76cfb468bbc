/** The real server on this machine, with demo data, on ports of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { ROOT, artifacts, program } from './files.js';
import { freePorts } from './ports.js';

/** A row of a booking's calls. */
export interface CallRow {
  id: string;
  caller_type: 'user' | 'provider';
  duration: number;
  call_status: string;
  created_at: string;
}

/** An entry of a tag's calls; what the tests read of it. */
export interface TagCall {
  visitorPhone: string;
  ownerPhone: string;
  status: string;
}

/** The owner of the demo data whose app is among the demo apps. */
export const OWNER = { id: 'owner-2', tag: 'demo-bike', label: 'Red bicycle', phone: '9812345678' };

const PORTS = ['HTTP_PORT', 'WS_PORT', 'CARRIER_PORT', 'STORE_PORT'];
const SECRET = randomBytes(32).toString('hex');

/** A running stack. */
export class Stack {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    readonly socketUrl: string,
    /** What `make call` reads to find the stack. */
    readonly stateFile: string,
  ) {}

  /** Starts one. `settings` are the server's own, as in the README; what it says goes into
   * `target/browser/<name>.log`. */
  static async start(name: string, settings: Record<string, string> = {}): Promise<Stack> {
    const path = program('maskline-local');
    if (!existsSync(path)) throw new Error(`${path} is missing: make build-dev`);
    const ports = await freePorts(PORTS.length);
    const stateFile = join(artifacts(), `${name}.state.json`);
    const own = Object.fromEntries(PORTS.map((port, at) => [port, String(ports[at])]));
    const log = createWriteStream(join(artifacts(), `${name}.log`));
    const child = spawn(path, {
      cwd: ROOT,
      // No server on the internet is asked for this machine's address.
      env: {
        ...process.env,
        STUN_URLS: `stun:127.0.0.1:${ports[0]}`,
        JWT_SECRET: SECRET,
        ...own,
        ...settings,
        STATE_FILE: stateFile,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr!.pipe(log);
    await ready(child, log.path as string);
    const { httpUrl, websocketUrl } = JSON.parse(readFileSync(stateFile, 'utf8'));
    return new Stack(child, httpUrl, websocketUrl, stateFile);
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.stateFile, { force: true });
  }

  /** The calls of a booking as one of its parties finds them, newest first. */
  async calls(bookingId = 'demo-booking', reader = 'asha'): Promise<CallRow[]> {
    const path = `/api/calls/history/${bookingId}`;
    const answer = await this.get<{ data: { calls: CallRow[] } }>(path, reader);
    return answer.data.calls;
  }

  /** The calls of the demo tag as its owner finds them, newest first. */
  async tagCalls(): Promise<TagCall[]> {
    const path = `/api/v1/call/${OWNER.tag}/history`;
    return (await this.get<{ calls: TagCall[] }>(path, OWNER.id)).calls;
  }

  private async get<T>(path: string, reader: string): Promise<T> {
    const headers = { authorization: `Bearer ${tokenOf(reader)}` };
    const response = await fetch(this.url + path, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}

/** A token as the host application would sign it. */
export function tokenOf(subject: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: subject, exp: expires })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** Waits for the line `ready`. */
function ready(child: ChildProcess, log: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Read to the end, or the stack would wait for a reader.
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the stack ended with ${code}: see ${log}`)));
  });
}
