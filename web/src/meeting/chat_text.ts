// Chat texts: limits, and links found in plain text. Nothing here makes markup: the view shows text nodes and anchors.

/** Counted in UTF-16 units, as text fields count. */
export const CHAT_MAX_CHARS = 4000;
/** The counter appears when this few are left. */
export const CHAT_WARN_CHARS = 300;
/** Older messages leave the list; nobody scrolls back further, and memory stays bounded. */
export const CHAT_KEPT_MAX = 500;

export type Segment = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string };

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f]+/gi;
const TRAILING = /[.,;:!?…'"»”’]+$/;

/** A link must not end in the punctuation of its sentence, nor in a bracket that it does not open. */
function trimLink(text: string): string {
    let link = text.replace(TRAILING, '');
    for (const [open, close] of [
        ['(', ')'],
        ['[', ']'],
        ['{', '}'],
    ] as const) {
        while (link.endsWith(close) && link.split(close).length > link.split(open).length) {
            link = link.slice(0, -1).replace(TRAILING, '');
        }
    }
    return link;
}

function safeHref(text: string): string | undefined {
    try {
        const url = new URL(text);
        const web = url.protocol === 'http:' || url.protocol === 'https:';
        // Names and passwords in links are used to make one address look like another.
        return web && url.username === '' && url.password === '' && url.hostname !== '' ? url.href : undefined;
    } catch {
        return undefined;
    }
}

/** Splits a message into plain text and http(s) links; joined again, the texts are the message. */
export function linkify(message: string): Segment[] {
    const segments: Segment[] = [];
    let done = 0;
    for (const match of message.matchAll(CANDIDATE)) {
        const link = trimLink(match[0]);
        const href = safeHref(link);
        if (href === undefined) continue;
        if (match.index > done) segments.push({ kind: 'text', text: message.slice(done, match.index) });
        segments.push({ kind: 'link', text: link, href });
        done = match.index + link.length;
    }
    if (done < message.length) segments.push({ kind: 'text', text: message.slice(done) });
    return segments;
}

export interface Received {
    text: string;
    cut: boolean;
}

/** A message as it may be shown: no control characters but line breaks and tabs, at most CHAT_MAX_CHARS. */
export function receiveText(raw: string): Received {
    const clean = raw.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
    if (clean.length <= CHAT_MAX_CHARS) return { text: clean, cut: false };
    // Never half of a surrogate pair.
    const last = clean.charCodeAt(CHAT_MAX_CHARS - 1);
    const end = last >= 0xd800 && last <= 0xdbff ? CHAT_MAX_CHARS - 1 : CHAT_MAX_CHARS;
    return { text: clean.slice(0, end), cut: true };
}
