/** The path of media between two devices on this machine: one that can be cut. Every candidate
 * is given a door of its own, and only through doors do packets come. */

import { type Socket, createSocket } from 'node:dgram';

/** As many candidates as two devices may have, restarts included. */
const DOORS = 64;

export interface Path {
  /** Nothing passes any more, or again. */
  cut: boolean;
  /** A frame with the doors in place of the addresses. */
  rewrite(frame: string): string;
  close(): void;
}

/** Opens a path. */
export async function openPath(): Promise<Path> {
  const sockets: Socket[] = [];
  const bind = () =>
    new Promise<Socket>((resolve) => {
      const socket = createSocket('udp4');
      sockets.push(socket);
      socket.bind(0, () => resolve(socket));
    });
  const free = await Promise.all(Array.from({ length: DOORS }, bind));
  const doors = new Map<string, number>();

  function doorTo(address: string, port: number): number {
    const key = `${address}:${port}`;
    const known = doors.get(key);
    if (known) return known;
    const door = free.pop();
    if (!door) throw new Error('there are more candidates than doors');
    // Each that comes in goes on from a socket of its own, by which the answers come back.
    const outlets = new Map<string, Socket>();
    door.on('message', (packet, from) => {
      if (path.cut) return;
      const name = `${from.address}:${from.port}`;
      let outlet = outlets.get(name);
      if (!outlet) {
        outlet = createSocket('udp4');
        sockets.push(outlet);
        outlets.set(name, outlet);
        outlet.on('message', (back) => {
          if (!path.cut) door.send(back, from.port, from.address);
        });
      }
      outlet.send(packet, port, address);
    });
    doors.set(key, door.address().port);
    return door.address().port;
  }

  /** A candidate's line by its door; none for those that are not plain UDP. */
  function line(text: string): string | undefined {
    const found = /^(.* udp \d+ )(\d+\.\d+\.\d+\.\d+) (\d+)( typ host.*)$/i.exec(text);
    if (!found) return undefined;
    const [, before, address, port, after] = found;
    return `${before}${address} ${doorTo(address!, Number(port))}${after}`;
  }

  function description(given: { type: string; sdp: string }): object {
    const lines = given.sdp.split('\r\n').map((text) => {
      return text.startsWith('a=candidate:') ? line(text) : text;
    });
    return { ...given, sdp: lines.filter((text) => text !== undefined).join('\r\n') };
  }

  const path: Path = {
    cut: false,
    rewrite(text) {
      const frame = JSON.parse(text);
      const { offer, answer, candidate } = frame.data;
      if (offer) frame.data.offer = description(offer);
      if (answer) frame.data.answer = description(answer);
      if (candidate) {
        const behind = candidate.map((one: any) => ({ ...one, candidate: line(one.candidate) }));
        frame.data.candidate = behind.filter((one: any) => one.candidate !== undefined);
      }
      return JSON.stringify(frame);
    },
    close: () => sockets.forEach((socket) => socket.close()),
  };
  return path;
}
