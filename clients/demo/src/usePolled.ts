import { useEffect, useState } from 'react';

const SECONDS = 3;

/** What could be read, or why it could not. */
export interface Polled<T> {
  data?: T;
  problem?: string;
}

/** Reads something now and every few seconds while the page is looked at, and at once when `when`
 * changes. `load` has to be the same function from render to render. */
export function usePolled<T>(load: () => Promise<T>, when?: unknown): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({});
  useEffect(() => {
    let current = true;
    const read = async () => {
      if (document.hidden) return;
      try {
        const data = await load();
        if (current) setPolled({ data });
      } catch (error) {
        if (current) setPolled((before) => ({ ...before, problem: String(error) }));
      }
    };
    void read();
    const timer = setInterval(read, SECONDS * 1000);
    document.addEventListener('visibilitychange', read);
    return () => {
      current = false;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', read);
    };
  }, [load, when]);
  return polled;
}
