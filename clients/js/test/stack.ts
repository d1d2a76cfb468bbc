/** The real server on this machine, for as long as a test needs it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PROGRAM = join(ROOT, 'target/debug/maskline-local');

const SECRET = 'the secret of these tests, 32 bytes at least';

export interface Party {
  id: string;
  token: string;
}

/** A booking, whose two may call each other. */
export interface Booking {
  id: string;
  user: Party;
  provider: Party;
}

export interface Stack {
  socketUrl: string;
  apiUrl: string;
  /** Makes a booking of two new users. */
  booking(): Promise<Booking>;
  /** The calls of a booking, newest first. */
  history(booking: Booking): Promise<{ id: string; call_status: string; duration: number }[]>;
  stop(): Promise<void>;
}

/** Starts the stack on ports of its own; `settings` are the server's own, as in the README. */
export async function startStack(settings: Record<string, string> = {}): Promise<Stack> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: make build-dev`);
  const folder = mkdtempSync(join(tmpdir(), 'maskline-client-'));
  const stateFile = join(folder, 'state.json');
  const names = ['HTTP_PORT', 'WS_PORT', 'CARRIER_PORT', 'STORE_PORT'];
  const ports = await freePorts(names.length);
  const own = Object.fromEntries(names.map((name, at) => [name, String(ports[at])]));
  const child = spawn(PROGRAM, {
    cwd: ROOT,
    env: { ...process.env, JWT_SECRET: SECRET, DEMO: 'off', ...own, ...settings, STATE_FILE: stateFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await ready(child);
  const { websocketUrl, httpUrl } = JSON.parse(readFileSync(stateFile, 'utf8'));

  async function ask(method: string, path: string, token: string, body?: object): Promise<any> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(httpUrl + path, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  return {
    socketUrl: websocketUrl,
    apiUrl: httpUrl,
    async booking() {
      const id = randomUUID();
      const [user, provider] = [partyOf(`asha-${id}`), partyOf(`ravi-${id}`)];
      await ask('PUT', `/api/v1/bookings/${id}`, tokenOf('admin', 'maskline:admin'), {
        userId: user.id,
        userName: 'Asha',
        providerId: provider.id,
        providerName: 'Ravi',
        serviceName: 'Bicycle repair',
        status: 'accepted',
      });
      return { id, user, provider };
    },
    async history({ id, user }) {
      const { data } = await ask('GET', `/api/calls/history/${id}`, user.token);
      return data.calls;
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits for the line `ready`. What was said until then is told where it does not come. */
function ready(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr!.on('data', (text) => (said += text));
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the stack ended with ${code}: ${said}`)));
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const listening = servers.map(
    (server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)),
  );
  await Promise.all(listening);
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function partyOf(id: string): Party {
  return { id, token: tokenOf(id) };
}

/** As the host application signs them. */
function tokenOf(sub: string, scope?: string): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp, scope })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
