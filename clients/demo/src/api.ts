/** The parts of Maskline's HTTP API that the demo apps read. */

export interface Booking {
  bookingId: string;
  userId: string;
  userName: string;
  providerId: string;
  providerName: string;
  serviceName: string;
  status: 'pending' | 'accepted' | 'in_progress' | 'completed' | 'cancelled';
}

/** A row of a booking's calls. */
export interface AppCall {
  id: string;
  caller_type: 'user' | 'provider';
  duration: number;
  call_status: 'completed' | 'missed' | 'rejected' | 'failed';
  created_at: string;
}

export interface Tag {
  shortCode: string;
  ownerPhone: string;
  label: string;
  virtualNumber?: string;
  enabled: boolean;
  extension: string;
}

/** An entry of a tag's calls. Numbers are masked. */
export interface PhoneCall {
  _id: string;
  visitorPhone: string;
  status: string;
  duration: number;
  createdAt: string;
}

/** An answer that is an error. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Reads from the API as somebody. */
export class Api {
  constructor(
    private readonly url: string,
    private readonly token: () => Promise<string>,
  ) {}

  booking(id: string): Promise<Booking> {
    return this.get(`/api/v1/bookings/${id}`);
  }

  async calls(bookingId: string): Promise<AppCall[]> {
    const answer = await this.get<{ data: { calls: AppCall[] } }>(
      `/api/calls/history/${bookingId}`,
    );
    return answer.data.calls;
  }

  tag(code: string): Promise<Tag> {
    return this.get(`/api/v1/tags/${code}`);
  }

  /** The number that a tag's visitors dial. */
  async numberOf(code: string): Promise<string> {
    const path = `/api/v1/call/virtual-number?tag=${code}`;
    return (await this.get<{ virtualNumber: string }>(path)).virtualNumber;
  }

  async tagCalls(code: string): Promise<PhoneCall[]> {
    const answer = await this.get<{ calls: PhoneCall[] }>(`/api/v1/call/${code}/history?limit=20`);
    return answer.calls;
  }

  private async get<T>(path: string): Promise<T> {
    const headers = { authorization: `Bearer ${await this.token()}` };
    const response = await fetch(this.url + path, { headers });
    const body = await response.json();
    if (!response.ok) throw new ApiError(response.status, body.message);
    return body;
  }
}
