import type { ReactNode } from 'react';

import type { Action } from '../screen/view.js';

function Icon({ children }: { children: ReactNode }): ReactNode {
  return (
    <svg className="maskline-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const HANDSET =
  'M12 8.2c-3.6 0-7 1.2-9.6 3.6a1.3 1.3 0 0 0 0 1.9l2 2c.5.5 1.2.5 1.7.1l2-1.5c.4-.3.6-.7.6-1.1v-1.9a10.7 10.7 0 0 1 6.6 0v1.9c0 .4.2.8.6 1.1l2 1.5c.5.4 1.2.4 1.7-.1l2-2a1.3 1.3 0 0 0 0-1.9C19 9.4 15.6 8.2 12 8.2Z';

/** A receiver that is picked up. */
export function PickUp(): ReactNode {
  return (
    <Icon>
      <path d={HANDSET} fill="currentColor" transform="rotate(-135 12 12)" />
    </Icon>
  );
}

function HangUp(): ReactNode {
  return (
    <Icon>
      <path d={HANDSET} fill="currentColor" />
    </Icon>
  );
}

function Strokes({ d }: { d: string }): ReactNode {
  return (
    <Icon>
      <path
        d={d}
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </Icon>
  );
}

const MICROPHONE =
  'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21';

/** The picture of a button. */
export function ActionIcon({ action, pressed }: { action: Action; pressed: boolean }): ReactNode {
  switch (action) {
    case 'accept':
    case 'again':
      return <PickUp />;
    case 'reject':
    case 'cancel':
    case 'end':
      return <HangUp />;
    case 'mute':
      return <Strokes d={pressed ? `${MICROPHONE}M4 3l16 18` : MICROPHONE} />;
    case 'resumeAudio':
      return (
        <Strokes d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
      );
    case 'close':
      return <Strokes d="M6.5 6.5l11 11M17.5 6.5l-11 11" />;
  }
}
