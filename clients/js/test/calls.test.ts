/** Calls between real WebRTC stacks, through the real server. */

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Device, becomes, device, until } from './devices.js';
import { type Party, type Stack, startStack } from './stack.js';

let stack: Stack;
let devices: Device[] = [];

beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.stop());
afterEach(() => {
  devices.forEach((one) => one.close());
  devices = [];
});

async function online(party: Party): Promise<Device> {
  const made = device(stack, party);
  devices.push(made);
  made.client.connect();
  await becomes(() => made.client.connection === 'online');
  return made;
}

test('two devices talk, hear each other, and hang up', async () => {
  const [asha, ravi] = await Promise.all([online(stack.user), online(stack.provider)]);
  await asha.call.initiate();
  await until(ravi.call, (call) => call.status === 'ringing');
  await until(asha.call, (call) => call.status === 'ringing');
  await ravi.call.accept();
  await until(asha.call, (call) => call.status === 'connected');
  await until(ravi.call, (call) => call.status === 'connected');
  await becomes(() => asha.loudness() > 0.1 && ravi.loudness() > 0.1);
  asha.call.end();
  const ended = await until(ravi.call, (call) => call.status === 'ended');
  console.log(asha.sent, asha.received, ravi.sent, ravi.received);
  expect(ended.reason).toBe('hangup');
});
