import { startPartyApp } from './parties.js';

startPartyApp('user', 'Asha’s app');
