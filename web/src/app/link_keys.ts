// What stands after `#` in a meeting's link, kept out of the address bar: browsers write addresses into their history, and this part lets
// people in. It is taken from the address as soon as the page runs, and kept for this tab alone, so that loading the page again still works;
// whoever wants the whole link copies it from the page. With it: the owner's seed, of who made the meeting or has its host link, which is
// never in a link that is given to others; and the seat that this tab took, so that it comes back as the same person.
import { fromBase64Url, parseFragment, toBase64Url, wipeLink, writeFragment, type LinkKeys } from '../secure/link';
import { meetingPath, parseRoute } from './route';

const STORAGE_KEY = 'conclave.keys';
/** Meetings that a tab has been to lately. */
const KEPT_MAX = 8;
const SEED_LEN = 32;

/** Of one meeting; texts are base64url, and empty when there is none. */
export interface Kept {
    id: string;
    /** As it is given to others, with its `#`. */
    fragment: string;
    ownerSeed: string;
    seat: string;
}

/** Pure: what storage holds, if it is that. Newest last. */
export function parseKept(json: string | null): Kept[] {
    try {
        const value: unknown = JSON.parse(json ?? '[]');
        if (!Array.isArray(value)) return [];
        return value.flatMap((one: unknown) => {
            const { id, fragment, ownerSeed, seat } = (one ?? {}) as Partial<Record<keyof Kept, unknown>>;
            const texts = [id, fragment, ownerSeed, seat];
            return texts.every((text) => typeof text === 'string') ? [{ id, fragment, ownerSeed, seat } as Kept] : [];
        });
    } catch {
        return [];
    }
}

/** Pure: with this one as the newest, and no more than can be of use. */
export function withKept(kept: readonly Kept[], one: Kept): Kept[] {
    return [...kept.filter(({ id }) => id !== one.id), one].slice(-KEPT_MAX);
}

/**
 * Pure: the fragment of a link, taken apart; undefined when it is none. The same link leaves what is known beside it; a host link is for a
 * seat of its own, since one that is in the group without being the owner's stays that.
 */
export function keptOf(id: string, fragment: string, before: Kept | undefined): Kept | undefined {
    const keys = parseFragment(fragment);
    if (!keys) return undefined;
    const plain = writeFragment(keys);
    const same = before?.fragment === plain ? before : undefined;
    const ownerSeed = keys.ownerSeed ? toBase64Url(keys.ownerSeed) : (same?.ownerSeed ?? '');
    wipeLink(keys);
    return { id, fragment: plain, ownerSeed, seat: same?.ownerSeed === ownerSeed ? same.seat : '' };
}

let memory: Kept[] | undefined;

function kept(): Kept[] {
    if (memory) return memory;
    let stored: string | null = null;
    try {
        stored = globalThis.sessionStorage?.getItem(STORAGE_KEY) ?? null;
    } catch {
        // Storage may be forbidden: then a page that is loaded again asks for the link.
    }
    memory = parseKept(stored);
    return memory;
}

function keep(one: Kept): void {
    memory = withKept(kept(), one);
    try {
        globalThis.sessionStorage?.setItem(STORAGE_KEY, JSON.stringify(memory));
    } catch {
        // As above.
    }
}

const find = (id: string): Kept | undefined => kept().find((one) => one.id === id);

/** One that is no key takes nobody's place. */
export function keepFragment(id: string, fragment: string): void {
    const one = keptOf(id, fragment, find(id));
    if (one) keep(one);
}

/** Of a meeting that was made here. */
export function keepOwnerSeed(id: string, ownerSeed: Uint8Array): void {
    const one = find(id);
    if (one) keep({ ...one, ownerSeed: toBase64Url(ownerSeed) });
}

/** With its `#`, as it is given to others; empty: this tab has not had it. */
export function fragmentOf(id: string): string {
    return find(id)?.fragment ?? '';
}

/** All that this tab has of the link. Whoever gets it wipes it. */
export function keysOf(id: string): LinkKeys | undefined {
    const one = find(id);
    const keys = one && parseFragment(one.fragment);
    return keys && { ...keys, ownerSeed: fromBase64Url(one.ownerSeed, SEED_LEN) };
}

/** The seat of this tab in the meeting: the one that it had, or a new one. Whoever gets it wipes it. */
export function seatOf(id: string): Uint8Array<ArrayBuffer> {
    const one = find(id);
    const known = one && fromBase64Url(one.seat, SEED_LEN);
    if (known) return known;
    const seat = crypto.getRandomValues(new Uint8Array(SEED_LEN));
    if (one) keep({ ...one, seat: toBase64Url(seat) });
    return seat;
}

/** One that was removed, or opens nothing any more: who comes again by a click comes as somebody new. */
export function forgetSeat(id: string): void {
    const one = find(id);
    if (one) keep({ ...one, seat: '' });
}

/** Takes the fragment out of the address bar, if there is one of a meeting. */
export function takeFragment(): void {
    const route = parseRoute(location.pathname);
    if (route.page !== 'meeting' || location.hash === '') return;
    keepFragment(route.id, location.hash);
    history.replaceState(history.state, '', location.pathname);
}

/** The whole link of the meeting in the address bar, as it is given to others. */
export function wholeLink(): string {
    const route = parseRoute(location.pathname);
    return `${location.origin}${location.pathname}${route.page === 'meeting' ? fragmentOf(route.id) : ''}`;
}

/** Where a path with its fragment leads, without it: the fragment is kept. */
export function strippedPath(path: string): string {
    const at = path.indexOf('#');
    if (at < 0) return path;
    const route = parseRoute(path.slice(0, at));
    if (route.page !== 'meeting') return path;
    keepFragment(route.id, path.slice(at));
    return meetingPath(route.id);
}
