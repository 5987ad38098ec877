// Addresses of the client, and what people paste into the join field. Pure: no window, no history.

/** Opaque id of a meeting: url-safe characters. The server decides whether it exists; this only rejects what cannot. */
const ID_PATTERN = /^[A-Za-z0-9_-]{6,128}$/;
const INPUT_MAX_CHARS = 2048;

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

/**
 * Understands a full link, a link without its scheme, a path, or the bare code. The fragment is kept, because it may
 * carry what only invited people know and the server never sees.
 */
export function parseMeetingInput(input: string, origin: string): MeetingInput {
    const text = input.replace(/\s+/g, '').replace(/^<|>$/g, '');
    if (text === '') return { kind: 'empty' };
    if (text.length > INPUT_MAX_CHARS) return { kind: 'invalid' };
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
