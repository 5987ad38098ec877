// Chat texts: limits, and links found in plain text. Nothing here makes markup: the view shows text nodes and anchors.
import { cutText, graphemes, utf8Length } from '../ui/text';

/** What the group carries (MEMBER_CHAT_LEN_MAX). */
export const CHAT_MAX_BYTES = 8000;
/** The counter appears when this little is left. */
const CHAT_WARN_BYTES = 600;
/** What the group carries of a file's name (MEMBER_FILE_NAME_LEN_MAX), and file systems keep. */
export const FILE_NAME_MAX_BYTES = 255;
/** Longer endings are no kinds of files. */
const EXTENSION_MAX_BYTES = 24;
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

/** A message as it may be shown: no control characters but line breaks and tabs, at most CHAT_MAX_BYTES. */
export function receiveText(raw: string): Received {
    const clean = raw.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
    const text = cutText(clean, CHAT_MAX_BYTES);
    return { text, cut: text !== clean };
}

/** How much room a draft leaves, in characters like its own: negative says how many have to go; undefined while there is plenty. */
export function roomLeft(draft: string): number | undefined {
    const text = draft.trim();
    const bytes = utf8Length(text);
    if (bytes <= CHAT_MAX_BYTES - CHAT_WARN_BYTES) return undefined;
    const count = [...graphemes(text)].length;
    if (bytes > CHAT_MAX_BYTES) return [...graphemes(cutText(text, CHAT_MAX_BYTES))].length - count;
    return Math.floor((CHAT_MAX_BYTES - bytes) / Math.ceil(bytes / count));
}

/** A file's name as the group carries it, and as it may be shown and saved: one line, no path; a long one keeps its ending. */
export function fileName(name: string): string {
    const clean = receiveText(name).text.replace(/[\\/\n\t\u202a-\u202e\u2066-\u2069]/g, '_').trim();
    if (utf8Length(clean) <= FILE_NAME_MAX_BYTES) return clean || 'file';
    const dot = clean.lastIndexOf('.');
    const extension = dot > 0 ? clean.slice(dot) : '';
    const end = utf8Length(extension) <= EXTENSION_MAX_BYTES ? `…${extension}` : '…';
    return cutText(clean, FILE_NAME_MAX_BYTES - utf8Length(end)) + end;
}
