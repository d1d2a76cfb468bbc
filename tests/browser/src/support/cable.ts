/** The way from a page to the WebSocket API, which the tests can cut and mend. */

import { type Server, type Socket, connect, createServer } from 'node:net';

/** A TCP proxy on this machine. */
export class Cable {
  private whole = true;
  private readonly ends = new Set<Socket>();
  /** The pages' ends, and where what they send goes. */
  private readonly ways = new Map<Socket, Socket>();

  private constructor(
    private readonly server: Server,
    /** The address on this side. */
    readonly url: string,
  ) {}

  /** Lays one to the WebSocket API at `url`. */
  static async to(url: string): Promise<Cable> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const own = new URL(url);
    own.port = String((server.address() as { port: number }).port);
    const cable = new Cable(server, own.href);
    server.on('connection', (near) => cable.join(near, () => connect(Number(port), hostname)));
    return cable;
  }

  /** Breaks every connection; new ones break at once, too. */
  cut(): void {
    this.whole = false;
    this.ends.forEach((end) => end.destroy());
  }

  mend(): void {
    this.whole = true;
  }

  /** Keeps what the pages send from now on, until it is let through. */
  hold(): void {
    this.ways.forEach((far, near) => near.unpipe(far));
  }

  letThrough(): void {
    this.ways.forEach((far, near) => near.pipe(far));
  }

  async remove(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, open: () => Socket): void {
    if (!this.whole) return void near.destroy();
    const far = open();
    this.ways.set(near, far);
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.ends.add(end);
      end.pipe(other);
      end.on('error', () => end.destroy());
      end.on('close', () => {
        this.ends.delete(end);
        this.ways.delete(end);
        other.destroy();
      });
    }
  }
}
