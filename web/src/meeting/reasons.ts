// Why a meeting is over for this person, and which page says so. Pure.
import type { FailureCode } from '../api/client';

export type EndReason =
    | 'left' | 'ended' | 'removed' | 'elsewhere' | 'lost' | 'shutdown' | 'not_found'
    // of the encryption: the link lacks its key; link and server name different ones; the people of the meeting refused; cannot encrypt
    | 'incomplete' | 'mismatch' | 'refused' | 'unsupported';

/** The values of DisconnectReason in LiveKit's protocol; as numbers, so that the first page needs no client library. */
export const Disconnect = {
    clientInitiated: 1,
    duplicateIdentity: 2,
    serverShutdown: 3,
    participantRemoved: 4,
    roomDeleted: 5,
    roomClosed: 10,
} as const;

/** `leaving` is true when the person chose to go, whatever the server answered afterwards. */
export function endReason(disconnect: number | undefined, leaving: boolean): EndReason {
    if (leaving) return 'left';
    switch (disconnect) {
        case Disconnect.clientInitiated:
            return 'left';
        case Disconnect.duplicateIdentity:
            return 'elsewhere';
        case Disconnect.serverShutdown:
            return 'shutdown';
        case Disconnect.participantRemoved:
            return 'removed';
        case Disconnect.roomDeleted:
        case Disconnect.roomClosed:
            return 'ended';
        default:
            return 'lost';
    }
}

/** The group could not be entered; the reason is one of SecureListener.ended. */
export class SecureFailure extends Error {
    constructor(readonly reason: string) {
        super(reason);
    }
}

/** Why the group's side is over, as a page; `full` is a note where one is. */
export function secureEnd(reason: string): EndReason {
    switch (reason) {
        case 'left':
        case 'removed':
        case 'elsewhere':
        case 'refused':
            return reason;
        case 'over':
            return 'ended';
        case 'no_entry':
            return 'not_found';
        default:
            return 'lost';
    }
}

/** The page a failed request leads to; undefined when the person should stay where they are and read a note. */
export function failurePage(code: FailureCode): EndReason | undefined {
    return code === 'meeting_not_found' ? 'not_found' : undefined;
}

export type Rejoin = 'none' | 'prejoin' | 'direct';

/**
 * How one gets back: at once after something one did not choose, by way of the preview after leaving and after having been
 * removed, and not at all when the meeting is over.
 */
export function rejoinOf(reason: EndReason): Rejoin {
    switch (reason) {
        case 'left':
        case 'removed': // by a click only, and as somebody new
            return 'prejoin';
        case 'elsewhere':
        case 'lost':
        case 'shutdown':
            return 'direct';
        default:
            return 'none';
    }
}
