import { useEffect, useState } from 'react';

/** What could be read, or why it could not. */
export interface Reading<T> {
  data?: T;
  problem?: string;
}

interface When {
  /** Read again when this changes, and a moment later, when the server has recorded the call. */
  changes?: unknown;
  /** Read again after so many seconds, while somebody looks at the page. */
  every?: number;
}

const A_MOMENT = 1500;

/** Reads something now, and when the page is looked at again. `load` has to be the same function
 * from render to render. */
export function useRead<T>(load: () => Promise<T>, { changes, every }: When = {}): Reading<T> {
  const [reading, setReading] = useState<Reading<T>>({});
  useEffect(() => {
    let current = true;
    const read = () => {
      if (document.hidden) return;
      load().then(
        (data) => current && setReading({ data }),
        (error: Error) =>
          current && setReading((before) => ({ ...before, problem: error.message })),
      );
    };
    read();
    const later = setTimeout(read, A_MOMENT);
    const timer = every === undefined ? undefined : setInterval(read, every * 1000);
    document.addEventListener('visibilitychange', read);
    return () => {
      current = false;
      clearTimeout(later);
      clearInterval(timer);
      document.removeEventListener('visibilitychange', read);
    };
  }, [load, changes, every]);
  return reading;
}
