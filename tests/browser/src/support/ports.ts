/** Ports that nobody uses. */

import { type Socket, createSocket } from 'node:dgram';
import { type Server, createServer } from 'node:net';

const HOST = '127.0.0.1';

/** Ports that neither TCP nor UDP has in use; another program may still be first to take one. */
export async function freePorts(count: number): Promise<number[]> {
  const taken = await Promise.all(Array.from({ length: count }, takeBoth));
  await Promise.all(taken.flatMap(({ tcp, udp }) => [closed(tcp), closed(udp)]));
  return taken.map(({ port }) => port);
}

async function takeBoth(): Promise<{ port: number; tcp: Server; udp: Socket }> {
  for (;;) {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, HOST, resolve));
    const { port } = tcp.address() as { port: number };
    const udp = createSocket('udp4');
    const both = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false));
      udp.bind(port, HOST, () => resolve(true));
    });
    if (both) return { port, tcp, udp };
    await Promise.all([closed(tcp), closed(udp)]);
  }
}

function closed(socket: { close(done: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
