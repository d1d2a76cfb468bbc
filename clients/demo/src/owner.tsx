/** The app of a tag's owner: the tag, and who called. */

import { type ReactNode, useCallback } from 'react';

import { clockTime, useLiveCall } from '@maskline/client/react';

import type { Api, PhoneCall, Tag } from './api.js';
import { type AppProps, Moment, Notice, RingingScreen, Section, start } from './app.js';
import { useRead } from './useRead.js';

start({ role: 'owner', title: 'Tag owner’s app', App: OwnerApp });

function OwnerApp({ config, api }: AppProps): ReactNode {
  const code = config.owner.tag;
  const tag = useRead(useCallback(() => readTag(api, code), [api, code]));
  const load = useCallback(() => api.tagCalls(code), [api, code]);
  const calls = useRead(load, { changes: useLiveCall()?.callId, every: 5 });
  return (
    <main className="columns">
      <Section title="Your tag">
        {tag.problem && <Notice>The tag could not be read. {tag.problem}</Notice>}
        {tag.data && <TagCard {...tag.data} />}
      </Section>
      <Section title="Who called">
        {calls.problem && <Notice>Calls could not be read. {calls.problem}</Notice>}
        {calls.data?.length === 0 && <p className="empty">Nobody yet.</p>}
        <ul className="rows">
          {calls.data?.map((call) => <VisitorRow key={call._id} call={call} />)}
        </ul>
      </Section>
      <RingingScreen />
    </main>
  );
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

const STATUS: Record<string, string> = {
  initiated: 'Calling',
  ringing: 'Ringing',
  'in-progress': 'Talking',
  failed: 'Failed',
  busy: 'You were busy',
  'no-answer': 'Missed',
  canceled: 'Gave up',
};

function VisitorRow({ call }: { call: PhoneCall }): ReactNode {
  const { visitorPhone, status, duration } = call;
  const missed = status === 'no-answer' || status === 'busy';
  return (
    <li className="row" data-missed={missed}>
      <span className="arrow" role="img" aria-label="Incoming">
        ↙
      </span>
      <div className="what">
        <strong>{visitorPhone === 'anonymous' ? 'Number withheld' : visitorPhone}</strong>
        <span>By phone</span>
      </div>
      <div className="when">
        <span>{status === 'completed' ? clockTime(duration) : (STATUS[status] ?? status)}</span>
        <Moment at={call.createdAt} />
      </div>
    </li>
  );
}
