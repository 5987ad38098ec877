// The lazily loaded part: everything that needs the LiveKit client. The first page imports only its types.
export { MeetingScreen } from './meeting';
export { Session, type SessionListener } from './session';
export { canEncrypt } from '../secure/manager';
export { warmUp } from '../secure/warm';
