import { type ReactNode, createContext, useContext, useEffect, useRef, useState } from 'react';

import { createMaskline } from '../index.js';
import type { Maskline, MasklineOptions } from '../types.js';

/** `null` where there is no provider; `undefined` while the provider has no client yet. */
const Context = createContext<Maskline | undefined | null>(null);

/** Either a client that the app connects and closes itself, or what one is made of. */
export type MasklineProviderProps = { children?: ReactNode } & (
  | {
      /** Leave it undefined while nobody is signed in. */
      client: Maskline | undefined;
      options?: never;
    }
  | {
      /** The provider connects a client when it is mounted and closes it when it goes; another
       * user or address makes another client. Leave it undefined while nobody is signed in. */
      options: MasklineOptions | undefined;
      client?: never;
    }
);

/** Gives the hooks and screens inside it their client. */
export function MasklineProvider({ client, options, children }: MasklineProviderProps): ReactNode {
  const own = useOwnClient(options);
  return <Context.Provider value={client ?? own}>{children}</Context.Provider>;
}

function useOwnClient(options: MasklineOptions | undefined): Maskline | undefined {
  const [client, setClient] = useState<Maskline>();
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const { socketUrl, apiUrl, userId } = options ?? {};
  useEffect(() => {
    const made = latest.current;
    if (made === undefined) return undefined;
    const getToken = () => (latest.current ?? made).getToken();
    const own = createMaskline({ ...made, getToken });
    own.connect();
    setClient(own);
    return () => {
      own.close();
      setClient(undefined);
    };
  }, [socketUrl, apiUrl, userId]);
  return client;
}

/** The client of the provider around; undefined while that has none (yet). */
export function useMaskline(): Maskline | undefined {
  const client = useContext(Context);
  if (client === null) throw new Error('Maskline: there is no <MasklineProvider> around this');
  return client;
}

/** The client given, or else the provider's. */
export function useClient(given: Maskline | undefined): Maskline | undefined {
  const provided = useContext(Context);
  if (given === undefined && provided === null) {
    throw new Error('Maskline: give it a client, or a <MasklineProvider> around it');
  }
  return given ?? provided ?? undefined;
}
