/** The app of a tag's owner: the tag, and who called. */

import { type ReactNode, useCallback, useEffect, useState } from 'react';

import { clockTime, useLiveCall } from '@maskline/client/react';

import { type Api, ApiError, type AppCall, type PhoneCall, type Tag } from './api.js';
import { type AppProps, Moment, Notice, RingingScreen, Section, start } from './app.js';
import { useRead } from './useRead.js';

start({ role: 'owner', title: 'Tag owner’s app', App: OwnerApp });

function OwnerApp({ config, api }: AppProps): ReactNode {
  const code = config.owner.tag;
  const visits = useVisits();
  const tag = useRead(useCallback(() => readTag(api, code), [api, code]));
  const load = useCallback(() => readContacts(api, code, visits), [api, code, visits]);
  const contacts = useRead(load, { changes: useLiveCall()?.callId, every: 5 });
  return (
    <main className="columns">
      <Section title="Your tag">
        {tag.problem && <Notice>The tag could not be read. {tag.problem}</Notice>}
        {tag.data && <TagCard {...tag.data} />}
      </Section>
      <Section title="Who called">
        {contacts.problem && <Notice>Calls could not be read. {contacts.problem}</Notice>}
        {contacts.data?.length === 0 && <p className="empty">Nobody yet.</p>}
        <ul className="rows">
          {contacts.data?.map((contact) => (
            <ContactRow key={contact.id} contact={contact} />
          ))}
        </ul>
      </Section>
      <RingingScreen />
    </main>
  );
}

const KEPT = 'maskline-demo-visits';

/** The visits that have rung in this browser: each is a booking of its own, made when somebody calls
 * from the tag's page. */
function useVisits(): string[] {
  const [visits, setVisits] = useState<string[]>(() =>
    JSON.parse(localStorage.getItem(KEPT) ?? '[]'),
  );
  const ringing = useLiveCall()?.bookingId;
  if (ringing !== undefined && !visits.includes(ringing)) {
    setVisits([ringing, ...visits].slice(0, 10));
  }
  useEffect(() => localStorage.setItem(KEPT, JSON.stringify(visits)), [visits]);
  return visits;
}

/** Somebody who called, one way or the other. */
interface Contact {
  id: string;
  who: string;
  how: string;
  outcome: string;
  missed: boolean;
  at: string;
}

async function readContacts(api: Api, code: string, visits: string[]): Promise<Contact[]> {
  const byPhone = api.tagCalls(code).then((calls) => calls.map(phoneContact));
  const inBrowser = visits.map(async (id) => {
    const calls = await api.calls(id).catch(noneIfUnknown);
    return calls.map(browserContact);
  });
  const all = await Promise.all([byPhone, ...inBrowser]);
  return all.flat().sort((a, b) => b.at.localeCompare(a.at));
}

/** Visits of an earlier run of the stack are gone with its store. */
function noneIfUnknown(error: unknown): AppCall[] {
  if (error instanceof ApiError && error.status === 404) return [];
  throw error;
}

const STATUS: Record<string, string> = {
  initiated: 'Calling',
  ringing: 'Ringing',
  'in-progress': 'Talking',
  failed: 'Failed',
  busy: 'You were busy',
  'no-answer': 'Missed',
  canceled: 'Gave up',
};

function phoneContact({ _id, visitorPhone, status, duration, createdAt }: PhoneCall): Contact {
  return {
    id: _id,
    who: visitorPhone === 'anonymous' ? 'Number withheld' : visitorPhone,
    how: 'By phone',
    outcome: status === 'completed' ? clockTime(duration) : (STATUS[status] ?? status),
    missed: status === 'no-answer' || status === 'busy',
    at: createdAt,
  };
}

const ENDS = { missed: 'Missed', rejected: 'You declined', failed: 'Failed' };

function browserContact({ id, call_status, duration, created_at }: AppCall): Contact {
  return {
    id,
    who: 'Visitor',
    how: 'In the browser',
    outcome: call_status === 'completed' ? clockTime(duration) : ENDS[call_status],
    missed: call_status === 'missed',
    at: created_at,
  };
}

async function readTag(api: Api, code: string) {
  const [tag, number] = await Promise.all([api.tag(code), api.numberOf(code)]);
  return { tag, number };
}

function TagCard({ tag, number }: { tag: Tag; number: string }): ReactNode {
  const shared = tag.virtualNumber === undefined;
  return (
    <div className="tag">
      <p className="tag-label">{tag.label}</p>
      <dl>
        <dt>Code</dt>
        <dd>{tag.shortCode}</dd>
        <dt>Visitors dial</dt>
        <dd>{number}</dd>
        {shared && <dt>and key in</dt>}
        {shared && <dd>{tag.extension}</dd>}
        <dt>Rings your phone</dt>
        <dd>{tag.ownerPhone}</dd>
        <dt>Calls</dt>
        <dd>{tag.enabled ? 'Taken' : 'Switched off'}</dd>
      </dl>
      <p className="tip">
        Who calls in the browser from the tag’s page rings here. Who dials the number rings your
        phone.
      </p>
      <a className="link" href={`/t/${tag.shortCode}`} target="_blank" rel="noreferrer">
        See what a visitor sees
      </a>
    </div>
  );
}

function ContactRow({ contact }: { contact: Contact }): ReactNode {
  const { who, how, outcome, missed, at } = contact;
  return (
    <li className="row" data-missed={missed}>
      <span className="arrow" role="img" aria-label="Incoming">
        ↙
      </span>
      <div className="what">
        <strong>{who}</strong>
        <span>{how}</span>
      </div>
      <div className="when">
        <span>{outcome}</span>
        <Moment at={at} />
      </div>
    </li>
  );
}
