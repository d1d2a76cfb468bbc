/** The real server on this machine, for as long as a test needs it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PROGRAM = join(ROOT, 'target/debug/maskline-local');

export interface Party {
  id: string;
  token: string;
}

export interface Stack {
  socketUrl: string;
  apiUrl: string;
  bookingId: string;
  user: Party;
  provider: Party;
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
    env: { ...process.env, ...own, ...settings, STATE_FILE: stateFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await ready(child);
  const { websocketUrl, httpUrl, demo } = JSON.parse(readFileSync(stateFile, 'utf8'));
  return {
    socketUrl: websocketUrl,
    apiUrl: httpUrl,
    bookingId: demo.booking.id,
    user: demo.booking.user,
    provider: demo.booking.provider,
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
