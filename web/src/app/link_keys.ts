// What stands after `#` in a meeting's link, kept out of the address bar: browsers write addresses into their history, and this part lets
// people in. It is taken from the address as soon as the page runs, and kept for this tab alone, so that loading the page again still works;
// whoever wants the whole link copies it from the page.
import { parseFragment } from '../secure/link';
import { meetingPath, parseRoute } from './route';

const STORAGE_KEY = 'conclave.keys';
/** Meetings that a tab has been to lately. */
const KEPT_MAX = 8;

/** The meeting's id and its fragment, newest last. */
type Kept = [string, string][];

/** Pure: what storage holds, if it is that. */
export function parseKept(json: string | null): Kept {
    try {
        const value: unknown = JSON.parse(json ?? '[]');
        if (!Array.isArray(value)) return [];
        return value.filter((one): one is [string, string] => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string'));
    } catch {
        return [];
    }
}

/** Pure: with one more, and no more than can be of use. */
export function withKey(kept: Kept, id: string, fragment: string): Kept {
    return [...kept.filter(([known]) => known !== id), [id, fragment] as [string, string]].slice(-KEPT_MAX);
}

let memory: Kept | undefined;

function kept(): Kept {
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

/** One that is no key takes nobody's place. */
export function keepFragment(id: string, fragment: string): void {
    const keys = parseFragment(fragment);
    keys?.secret.fill(0);
    if (!keys) return;
    memory = withKey(kept(), id, fragment);
    try {
        globalThis.sessionStorage?.setItem(STORAGE_KEY, JSON.stringify(memory));
    } catch {
        // As above.
    }
}

/** With its `#`; empty: this tab has not had it. */
export function fragmentOf(id: string): string {
    return kept().find(([known]) => known === id)?.[1] ?? '';
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
