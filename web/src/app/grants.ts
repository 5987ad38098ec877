// The way back into a meeting as the same person. A grant is what the server gave at the last join; it is kept for this
// tab alone, as long as its token lasts, so that loading the page again or joining after a lost connection takes one's own
// place instead of adding a second person. A tab that is duplicated gets a copy, and whoever joins last with it stays.
import type { JoinGrant } from '../api/client';

export interface KeptGrant extends JoinGrant {
    /** The meeting and the name that it was given for: another name needs another token. */
    id: string;
    name: string;
}

const STORAGE_KEY = 'conclave.grant';
/** A token about to end is as good as none: joining takes a moment. */
const MARGIN_MS = 20_000;

/** Pure: when a token ends, by its `exp` claim (RFC 7519); 0 when it does not say. */
export function tokenEndsMs(token: string): number {
    try {
        const claims = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
        const { exp } = JSON.parse(atob(claims)) as { exp?: unknown };
        return typeof exp === 'number' ? exp * 1000 : 0;
    } catch {
        return 0;
    }
}

/** Pure: the stored grant if it is one, for this meeting and name, and still lasts. */
export function usableGrant(json: string | null, id: string, name: string, nowMs: number): KeptGrant | undefined {
    try {
        const grant = JSON.parse(json ?? 'null') as Partial<Record<keyof KeptGrant, unknown>> | null;
        if (grant?.id !== id || grant.name !== name) return undefined;
        const { token, identity, url } = grant;
        if (typeof token !== 'string' || typeof identity !== 'string' || typeof url !== 'string') return undefined;
        return tokenEndsMs(token) > nowMs + MARGIN_MS ? { id, name, token, identity, url } : undefined;
    } catch {
        return undefined;
    }
}

export function keptGrant(id: string, name: string): KeptGrant | undefined {
    try {
        return usableGrant(sessionStorage.getItem(STORAGE_KEY), id, name, Date.now());
    } catch {
        return undefined;
    }
}

export function keepGrant(grant: KeptGrant): void {
    try {
        sessionStorage.setItem(STORAGE_KEY, JSON.stringify(grant));
    } catch {
        // Forbidden storage only means that a rejoin is a new person.
    }
}

export function forgetGrant(): void {
    try {
        sessionStorage.removeItem(STORAGE_KEY);
    } catch {
        // Then there was none.
    }
}
