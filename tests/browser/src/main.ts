/** All tests, one after the other: the machine has few cores, and audio is no background job. */

import './suites/calls.js';
import './suites/relay.js';
import './suites/signaling.js';
import './suites/endings.js';
import './suites/visitors.js';
import './suites/pages.js';
import './suites/interop.js';
