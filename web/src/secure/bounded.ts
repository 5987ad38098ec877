// What a server sends is kept up to a length that we know, and not to the one that it says or to its end.

/** As long as a meeting's server sends anything (group/wire.h). */
export const MESSAGE_LEN_MAX = 2 << 20;
/** A tree, or the chain of a group: 8 MiB of commits (docs/delivery-protocol.md) with their lengths. */
export const FETCH_LEN_MAX = 9 << 20;

/** A message as it came; an empty one, which is malformed and shown, in place of one that is too long. */
export function boundedMessage(data: ArrayBuffer): Uint8Array<ArrayBuffer> {
    return data.byteLength > MESSAGE_LEN_MAX ? new Uint8Array(0) : new Uint8Array(data);
}

/** The body of an answer; empty, and read no further, when it is longer than `max`. */
export async function boundedBody(reply: Response, max: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    const reader = reply.body?.getReader();
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
        length += next.value.length;
        if (length > max) {
            void reader?.cancel().catch(() => undefined);
            return new Uint8Array(0);
        }
        parts.push(next.value);
    }
    const body = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
        body.set(part, at);
        at += part.length;
    }
    return body;
}
