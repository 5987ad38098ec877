// Files of a meeting: encrypted here in chunks, kept by the server as bytes that it cannot read, deleted with the meeting. The key
// travels in a sealed message.
//
// A chunk is AES-256-GCM over CHUNK_LEN bytes of the file under a key of its own. Its nonce is its number and whether it is the
// last, so that chunks cannot be reordered, left out, or cut off at the end; the hash of the whole, which comes with the key, binds
// file and key to each other.
import type { SealedFile } from './types';

export const CHUNK_LEN = 65_536;
export const TAG_LEN = 16;
const NONCE_LEN = 12;

export class FileFailure extends Error {
    constructor(readonly code: 'too_large' | 'network' | 'refused' | 'gone' | 'damaged') {
        super(code);
        this.name = 'FileFailure';
    }
}

/** Between 0 and 1. */
export type OnProgress = (share: number) => void;

function nonceOf(index: number, last: boolean): Uint8Array<ArrayBuffer> {
    const nonce = new Uint8Array(NONCE_LEN);
    nonce[NONCE_LEN - 5] = last ? 1 : 0;
    new DataView(nonce.buffer).setUint32(NONCE_LEN - 4, index);
    return nonce;
}

function importKey(key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
    return crypto.subtle.importKey('raw', key as BufferSource, 'AES-GCM', false, [usage]);
}

/** How many chunks a file of so many bytes has; an empty one has one, so that its end is proven too. */
export function chunksOf(lengthBytes: number): number {
    return Math.max(1, Math.ceil(lengthBytes / CHUNK_LEN));
}

export async function sealFile(
    data: Blob,
    onProgress: OnProgress,
): Promise<{ ciphertext: Blob; key: Uint8Array; sha256: Uint8Array }> {
    const key = crypto.getRandomValues(new Uint8Array(32));
    const cipher = await importKey(key, 'encrypt');
    const count = chunksOf(data.size);
    const parts: ArrayBuffer[] = [];
    for (let i = 0; i < count; i++) {
        const chunk = await data.slice(i * CHUNK_LEN, (i + 1) * CHUNK_LEN).arrayBuffer();
        parts.push(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonceOf(i, i === count - 1) }, cipher, chunk));
        onProgress((i + 1) / count);
    }
    const sha256 = new Uint8Array(await crypto.subtle.digest('SHA-256', await data.arrayBuffer()));
    return { ciphertext: new Blob(parts), key, sha256 };
}

export async function openFile(file: SealedFile, ciphertext: Uint8Array<ArrayBuffer>): Promise<Blob> {
    const cipher = await importKey(file.key, 'decrypt');
    const count = chunksOf(file.lengthBytes);
    if (ciphertext.length !== file.lengthBytes + count * TAG_LEN) throw new FileFailure('damaged');
    const parts: ArrayBuffer[] = [];
    try {
        for (let i = 0; i < count; i++) {
            const from = i * (CHUNK_LEN + TAG_LEN);
            const chunk = ciphertext.subarray(from, Math.min(from + CHUNK_LEN + TAG_LEN, ciphertext.length));
            parts.push(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonceOf(i, i === count - 1) }, cipher, chunk));
        }
    } catch {
        throw new FileFailure('damaged');
    }
    const plain = new Blob(parts);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await plain.arrayBuffer()));
    if (hash.some((byte, i) => byte !== file.sha256[i])) throw new FileFailure('damaged');
    return plain;
}

/** Where a meeting's files are, and with what right. */
export interface FilePlace {
    meetingId: string;
    token: () => string;
}

const addressOf = (place: FilePlace): string => `/api/v2/meetings/${encodeURIComponent(place.meetingId)}/files`;

function failureOf(status: number): FileFailure {
    if (status === 413) return new FileFailure('too_large');
    return new FileFailure(status === 404 || status === 410 ? 'gone' : 'refused');
}

/** Resolves with the server's name for it. */
export function uploadFile(place: FilePlace, ciphertext: Blob, onProgress: OnProgress): Promise<string> {
    return new Promise((resolve, reject) => {
        // fetch tells nothing of how far an upload is
        const request = new XMLHttpRequest();
        request.open('POST', addressOf(place));
        request.setRequestHeader('Authorization', `Bearer ${place.token()}`);
        request.setRequestHeader('Content-Type', 'application/octet-stream');
        request.responseType = 'json';
        request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, ciphertext.size));
        request.onerror = () => reject(new FileFailure('network'));
        request.onload = () => {
            const id = (request.response as { id?: unknown } | null)?.id;
            if (request.status === 201 && typeof id === 'string') resolve(id);
            else reject(failureOf(request.status));
        };
        request.send(ciphertext);
    });
}

/** Takes back what was uploaded. That it fails is no news to anybody: the server deletes all files with the meeting. */
export async function deleteFile(place: FilePlace, id: string): Promise<void> {
    try {
        await fetch(`${addressOf(place)}/${encodeURIComponent(id)}`, {
            method: 'DELETE',
            headers: { Authorization: `Bearer ${place.token()}` },
            credentials: 'same-origin',
        });
    } catch {
        // then it stays as long as the meeting
    }
}

export async function downloadFile(place: FilePlace, file: SealedFile, onProgress: OnProgress): Promise<Blob> {
    const length = file.lengthBytes + chunksOf(file.lengthBytes) * TAG_LEN;
    let response: Response;
    try {
        response = await fetch(`${addressOf(place)}/${encodeURIComponent(file.id)}`, {
            headers: { Authorization: `Bearer ${place.token()}` },
            credentials: 'same-origin',
            cache: 'no-store',
        });
    } catch {
        throw new FileFailure('network');
    }
    if (!response.ok || !response.body) throw failureOf(response.status);
    // As much memory as comes, not as much as the sender says that there is.
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reader = response.body.getReader();
    let at = 0;
    for (;;) {
        const { done, value } = await reader.read().catch(() => {
            throw new FileFailure('network');
        });
        if (done) break;
        if (at + value.length > length) throw new FileFailure('damaged');
        parts.push(value);
        at += value.length;
        onProgress(at / length);
    }
    if (at !== length) throw new FileFailure('damaged');
    const all = new Uint8Array(at);
    let filled = 0;
    for (const part of parts) {
        all.set(part, filled);
        filled += part.length;
    }
    return openFile(file, all);
}
