/** What the three apps have in common: the client, the frame around the page, the call screen. */

import { type ReactNode, StrictMode, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { CallScreen, MasklineProvider, ringingTone, useConnection } from '@maskline/client/react';

import { Api } from './api.js';
import { type Config, loadConfig } from './config.js';

/** Who an app is for. */
export type Role = 'user' | 'provider' | 'owner';

export interface AppProps {
  config: Config;
  api: Api;
}

interface AppOptions {
  role: Role;
  title: string;
  App: (props: AppProps) => ReactNode;
}

/** Starts an app in the page. */
export function start(options: AppOptions): void {
  const place = document.getElementById('app');
  if (place === null) throw new Error('the page has no #app');
  createRoot(place).render(
    <StrictMode>
      <Main {...options} />
    </StrictMode>,
  );
}

function Main({ role, title, App }: AppOptions): ReactNode {
  const [config, setConfig] = useState<Config>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    loadConfig().then(setConfig, (error: unknown) => setProblem(String(error)));
  }, []);

  const options = useMemo(() => config && clientOptions(config, role), [config, role]);
  const api = useMemo(() => config && new Api(config.apiUrl, tokenOf(role)), [config, role]);

  return (
    <MasklineProvider options={options}>
      <header className="bar">
        <a href="/demo" className="brand">
          <img src="/demo/assets/icon.svg" alt="All demo apps" width="32" height="32" />
        </a>
        <h1>{title}</h1>
        <Connection />
      </header>
      {problem && <Notice>The local stack does not answer: {problem}</Notice>}
      {config && api && <App config={config} api={api} />}
    </MasklineProvider>
  );
}

function clientOptions(config: Config, role: Role) {
  const { socketUrl, apiUrl } = config;
  return { socketUrl, apiUrl, userId: config[role].id, getToken: tokenOf(role) };
}

function tokenOf(role: Role): () => Promise<string> {
  return async () => (await loadConfig())[role].token;
}

/** The screen of whatever call rings or runs. */
export function RingingScreen(props: {
  nameOf?: (bookingId: string) => string | undefined;
}): ReactNode {
  const ringtone = useMemo(ringingTone, []);
  return <CallScreen ringtone={ringtone} nameOf={props.nameOf} />;
}

const CONNECTION = {
  online: 'Can be called',
  connecting: 'Connecting…',
  offline: 'Offline',
};

function Connection(): ReactNode {
  const connection = useConnection();
  return (
    <p className="connection" data-state={connection} role="status">
      {CONNECTION[connection]}
    </p>
  );
}

/** Says that something is wrong. */
export function Notice({ children }: { children: ReactNode }): ReactNode {
  return (
    <p className="notice" role="alert">
      {children}
    </p>
  );
}

/** A titled part of a page. */
export function Section({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** A circle with a person's first letter. */
export function Avatar({ name }: { name: string }): ReactNode {
  return (
    <span className="avatar" aria-hidden="true">
      {[...name][0]}
    </span>
  );
}

/** A time today, else with its day. */
export function Moment({ at }: { at: string }): ReactNode {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const text = date.toLocaleString([], {
    dateStyle: today ? undefined : 'medium',
    timeStyle: 'short',
  });
  return <time dateTime={at}>{text}</time>;
}
