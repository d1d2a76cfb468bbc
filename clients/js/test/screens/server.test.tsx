import { renderToString } from 'react-dom/server';

import { expect, it } from 'vitest';

import { CallScreen, MasklineProvider, WebRTCCallButton } from '../../src/react/index.js';

it('renders where there is neither a page nor a client', () => {
  expect(typeof document).toBe('undefined');
  const options = {
    socketUrl: 'wss://calls.example/live',
    apiUrl: 'https://api.example',
    userId: 'asha',
    getToken: () => 'token',
  };
  const html = renderToString(
    <MasklineProvider options={options}>
      <CallScreen />
      <WebRTCCallButton bookingId="b1" size="large" />
    </MasklineProvider>,
  );
  expect(html).toContain('data-size="large"');
});
