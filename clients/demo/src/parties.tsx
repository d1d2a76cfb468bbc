/** The app of one party of bookings: their bookings, and the calls about these. */

import { type ReactNode, useCallback } from 'react';

import { WebRTCCallButton, clockTime, useLiveCall } from '@maskline/client/react';

import type { Api, AppCall, Booking } from './api.js';
import { type AppProps, Avatar, Moment, Notice, RingingScreen, Section, start } from './app.js';
import { useRead } from './useRead.js';

type Role = 'user' | 'provider';

/** Starts the app of a user or a provider. */
export function startPartyApp(role: Role, title: string): void {
  start({ role, title, App: (props) => <PartyApp role={role} {...props} /> });
}

function PartyApp({ role, config, api }: AppProps & { role: Role }): ReactNode {
  const ids = config[role].bookings;
  const load = useCallback(() => Promise.all(ids.map((id) => api.booking(id))), [api, ids]);
  const { data: bookings, problem } = useRead(load);
  const nameOf = useCallback(
    (id: string) => {
      const booking = bookings?.find(({ bookingId }) => bookingId === id);
      return booking && otherName(booking, role);
    },
    [bookings, role],
  );
  return (
    <main className="columns">
      <Section title={role === 'user' ? 'Your bookings' : 'Your customers'}>
        {problem && <Notice>Bookings could not be read. {problem}</Notice>}
        <ul className="cards">
          {bookings?.map((booking) => (
            <BookingCard key={booking.bookingId} booking={booking} role={role} />
          ))}
        </ul>
      </Section>
      <Section title="Calls">{bookings && <Calls {...{ api, role, bookings }} />}</Section>
      <RingingScreen nameOf={nameOf} />
    </main>
  );
}

function otherName(booking: Booking, role: Role): string {
  return role === 'user' ? booking.providerName : booking.userName;
}

const STATUS = {
  pending: 'Not accepted yet',
  accepted: 'Booked',
  in_progress: 'Under way',
  completed: 'Done',
  cancelled: 'Cancelled',
};

function BookingCard({ booking, role }: { booking: Booking; role: Role }): ReactNode {
  const { bookingId, serviceName, status } = booking;
  const name = otherName(booking, role);
  const open = status === 'accepted' || status === 'in_progress';
  return (
    <li className="card" data-open={open}>
      <Avatar name={name} />
      <div className="what">
        <strong>{serviceName}</strong>
        <span>
          {name} · {STATUS[status]}
        </span>
      </div>
      {open && (
        <WebRTCCallButton bookingId={bookingId} size="small" labels={{ call: `Call ${name}` }}>
          Call
        </WebRTCCallButton>
      )}
    </li>
  );
}

interface CallsProps {
  api: Api;
  role: Role;
  bookings: Booking[];
}

function Calls({ api, role, bookings }: CallsProps): ReactNode {
  const key = bookings.map(({ bookingId }) => bookingId).join();
  const load = useCallback(async () => {
    const ids = key.split(',');
    const lists = await Promise.all(
      ids.map(async (id) => (await api.calls(id)).map((call) => ({ ...call, bookingId: id }))),
    );
    return lists.flat().sort((a, b) => b.created_at.localeCompare(a.created_at));
  }, [api, key]);
  // A call that has just ended is new in the list.
  const { data: calls, problem } = useRead(load, { changes: useLiveCall()?.callId });
  const booking = (id: string) => bookings.find(({ bookingId }) => bookingId === id);
  if (problem) return <Notice>Calls could not be read. {problem}</Notice>;
  if (calls?.length === 0) return <p className="empty">No calls yet.</p>;
  return (
    <ul className="rows">
      {calls?.map((call) => (
        <CallRow key={call.id} call={call} booking={booking(call.bookingId)} role={role} />
      ))}
    </ul>
  );
}

interface CallRowProps {
  call: AppCall;
  booking: Booking | undefined;
  role: Role;
}

function CallRow({ call, booking, role }: CallRowProps): ReactNode {
  const outgoing = call.caller_type === role;
  const missed = call.call_status === 'missed' && !outgoing;
  return (
    <li className="row" data-missed={missed}>
      <span className="arrow" role="img" aria-label={outgoing ? 'Outgoing' : 'Incoming'}>
        {outgoing ? '↗' : '↙'}
      </span>
      <div className="what">
        <strong>{booking && otherName(booking, role)}</strong>
        <span>{booking?.serviceName}</span>
      </div>
      <div className="when">
        <span>{outcome(call, outgoing)}</span>
        <Moment at={call.created_at} />
      </div>
    </li>
  );
}

function outcome({ call_status, duration }: AppCall, outgoing: boolean): string {
  switch (call_status) {
    case 'completed':
      return clockTime(duration);
    case 'missed':
      return outgoing ? 'Not answered' : 'Missed';
    case 'rejected':
      return 'Declined';
    case 'failed':
      return 'Failed';
  }
}
