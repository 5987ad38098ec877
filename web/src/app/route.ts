// Addresses of the client, and what people paste into the join field. Pure: no window, no history.
import { parseFragment } from '../secure/link';

/** Opaque id of a meeting: url-safe characters. The server decides whether it exists; this only rejects what cannot. */
const ID_PATTERN = /^[A-Za-z0-9_-]{6,128}$/;
/** An invitation with the link in it. */
const INPUT_MAX_CHARS = 8192;

/** `new` makes a meeting at once: what the server prints when it starts, since only a browser can make a whole link. */
export type Route = { page: 'landing' } | { page: 'new' } | { page: 'meeting'; id: string } | { page: 'unknown' };

export type MeetingInput =
    | { kind: 'meeting'; id: string; hash: string }
    | { kind: 'elsewhere'; host: string; href: string }
    | { kind: 'empty' }
    | { kind: 'invalid' };

export function isMeetingId(text: string): boolean {
    return ID_PATTERN.test(text);
}

export function parseRoute(pathname: string): Route {
    if (pathname === '/' || pathname === '/index.html') return { page: 'landing' };
    if (/^\/new\/?$/.test(pathname)) return { page: 'new' };
    const match = /^\/m\/([^/]+)\/?$/.exec(pathname);
    const id = match?.[1] ?? '';
    return isMeetingId(id) ? { page: 'meeting', id } : { page: 'unknown' };
}

export function meetingPath(id: string, hash = ''): string {
    return `/m/${id}${hash}`;
}

/** A link wherever it stands in a text. */
const LINK = /(?:https?:\/\/)?[^\s<>"'()/]+\/m\/[\w-]{6,128}\/?(?:\?[^\s#<>"']*)?(?:#[\w=&-]*)?/gi;
/** What stands after `#`, alone. */
const PART = /^#?(k=[\w-]{43}(?:&[a-z]=[\w-]+)*)$/;

/**
 * Understands a full link, a link without its scheme, a path, or the bare code, by itself or in the message that it was sent in. The
 * fragment is kept, because it may carry what only invited people know and the server never sees. `id`: of the meeting whose fragment
 * is asked for, when that alone may be given.
 */
export function parseMeetingInput(input: string, origin: string, id?: string): MeetingInput {
    // mail programs break lines within links
    const text = input.replace(/\s+/g, '').replace(/^<|>$/g, '');
    if (text === '') return { kind: 'empty' };
    if (text.length > INPUT_MAX_CHARS) return { kind: 'invalid' };
    const part = id === undefined ? undefined : PART.exec(text)?.[1];
    if (id !== undefined && part !== undefined) return { kind: 'meeting', id, hash: `#${part}` };
    const within = [...input.matchAll(LINK)].map(([link]) => parseLink(link, origin));
    const complete = within.find((one) => parseFragment(fragmentOf(one)) !== undefined);
    const whole = parseLink(text, origin);
    return complete ?? (whole.kind === 'invalid' ? (within[0] ?? whole) : whole);
}

function fragmentOf(input: MeetingInput): string {
    if (input.kind === 'meeting') return input.hash;
    return input.kind === 'elsewhere' ? new URL(input.href).hash : '';
}

function parseLink(text: string, origin: string): MeetingInput {
    const bare = /^([^#/?]+)(#[^#]*)?$/.exec(text);
    if (bare && isMeetingId(bare[1] ?? '')) return { kind: 'meeting', id: bare[1] ?? '', hash: bare[2] ?? '' };
    const own = new URL(origin);
    let url: URL;
    try {
        if (/^https?:\/\//i.test(text)) url = new URL(text);
        else if (text.startsWith('/')) url = new URL(text, own);
        else url = new URL(`${own.protocol}//${text}`);
    } catch {
        return { kind: 'invalid' };
    }
    const route = parseRoute(url.pathname);
    if (route.page !== 'meeting') return { kind: 'invalid' };
    if (url.host.toLowerCase() !== own.host.toLowerCase()) {
        return { kind: 'elsewhere', host: url.host, href: `${url.origin}${url.pathname}${url.hash}` };
    }
    return { kind: 'meeting', id: route.id, hash: url.hash };
}
