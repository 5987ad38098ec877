// Lengths and cuts of what people write. Limits are in bytes of UTF-8, as the group carries texts; a cut is between what readers see as
// characters (grapheme clusters, UAX 29), so that no letter loses its accent and no flag or family falls apart. Pure.

const encoder = new TextEncoder();

export function utf8Length(text: string): number {
    return encoder.encode(text).length;
}

/** Where there is no segmenter: a code point with the marks, joiners, skin tones and tags after it, and flags as pairs. */
const CLUSTER = /\r\n|\p{RI}{2}|[^](?:[\p{M}\p{EMod}\u{e0020}-\u{e007f}]|\u200d[^])*/gu;

const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : undefined;

export function* graphemes(text: string, segments = segmenter): Generator<string> {
    if (segments) for (const { segment } of segments.segment(text)) yield segment;
    else for (const [cluster] of text.matchAll(CLUSTER)) yield cluster;
}

/** The first character as readers see it; empty of an empty text. */
export function firstGrapheme(text: string): string {
    for (const cluster of graphemes(text)) return cluster;
    return '';
}

/** The longest beginning of whole characters within both limits. One character alone above the limit is left out. */
export function cutText(text: string, maxBytes: number, maxGraphemes = Infinity): string {
    if (text.length <= maxGraphemes && text.length * 3 <= maxBytes) return text;
    let [bytes, count, end] = [0, 0, 0];
    for (const cluster of graphemes(text)) {
        bytes += utf8Length(cluster);
        if (++count > maxGraphemes || bytes > maxBytes) return text.slice(0, end);
        end += cluster.length;
    }
    return text;
}

/** Hours and minutes, as the person's browser writes them. */
export function clockTime(atMs: number): string {
    return new Date(atMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
