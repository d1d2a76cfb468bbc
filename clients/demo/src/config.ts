/** What the local stack tells its demo pages: addresses, who they are, and a token. */

export interface Config {
  apiUrl: string;
  socketUrl: string;
  user: Party;
  provider: Party;
  owner: { id: string; token: string; tag: string };
}

export interface Party {
  id: string;
  name: string;
  token: string;
  /** The ids of their bookings. */
  bookings: string[];
}

/** Asks each time, because tokens expire. A real app asks its own backend. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch('/demo/config.json');
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}
