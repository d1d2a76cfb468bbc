/** Errors as apps see them, from those of the platform and the server. */

import type { CallError, ErrorCode } from './types.js';

/** An error that has its code. */
export class CodedError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** By the names that `getUserMedia` rejects with (Media Capture and Streams, section 10.2). */
const OF_DEVICES: Record<string, ErrorCode> = {
  NotAllowedError: 'permission_denied',
  SecurityError: 'permission_denied',
  NotFoundError: 'device_not_found',
  OverconstrainedError: 'device_not_found',
  NotReadableError: 'device_in_use',
  AbortError: 'device_in_use',
};

/** What was thrown, in words that an app can act on. */
export function callError(thrown: unknown): CallError {
  // Anything can be thrown, nothing too.
  const { name, message = String(thrown) } = Object(thrown) as Error;
  const code = thrown instanceof CodedError ? thrown.code : (OF_DEVICES[name] ?? 'unknown');
  return { code, message };
}
