/** A visit: what lets this page ring the owner once. */

/** What the server answers to a request for one. */
export interface Visit {
  readonly token: string;
  readonly userId: string;
  readonly bookingId: string;
  readonly socketUrl: string;
  /** RFC 3339: until when a call may begin. The token holds for longer. */
  readonly expiresAt: string;
}

/** Why there is none. */
export class NoVisit extends Error {
  constructor(
    readonly code: 'offline' | 'rate_limited' | 'not_found' | 'unavailable',
    /** Seconds until it is worth trying again; only with `rate_limited`. */
    readonly retryAfter = 0,
  ) {
    super(code);
  }
}

/** Asks for a visit at `url`; rejects with `NoVisit`. */
export async function askForVisit(url: string): Promise<Visit> {
  const response = await fetch(url, { method: 'POST' }).catch((): never => {
    throw new NoVisit('offline');
  });
  if (response.status === 429) {
    throw new NoVisit('rate_limited', Number(response.headers.get('retry-after')));
  }
  if (response.status === 404) throw new NoVisit('not_found');
  if (!response.ok) throw new NoVisit('unavailable');
  return response.json().catch((): never => {
    throw new NoVisit('offline');
  });
}
