import { startPartyApp } from './parties.js';

startPartyApp('provider', 'Ravi’s app');
