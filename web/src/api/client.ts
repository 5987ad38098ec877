// The server's HTTP interface (/api/v2), same origin. Answers are checked before they are believed; every way to fail
// is an ApiFailure with a code that the pages know how to explain.

import { fromBase64Url, toBase64Url } from '../secure/link';

export type FailureCode =
    'meeting_not_found' | 'busy' | 'unavailable' | 'network' | 'refused';

export class ApiFailure extends Error {
    readonly code: FailureCode;
    readonly status: number;

    constructor(code: FailureCode, status: number, detail = '') {
        super(detail || code);
        this.name = 'ApiFailure';
        this.code = code;
        this.status = status;
    }
}

/** Who runs the server. */
export interface House {
    /** Its operator key, which links name by a hash. */
    operator: Uint8Array<ArrayBuffer>;
    /** Cipher suite (MLS) of new meetings. */
    suite: number;
}

export interface ServerVersion {
    version: string;
    bundleSha256: string;
}

const TIMEOUT_MS = 12_000;
const DETAIL_MAX_CHARS = 200;

/** Pure: which failure an HTTP answer means. */
export function failureOf(status: number): FailureCode {
    switch (status) {
        case 404:
            return 'meeting_not_found';
        case 429:
            return 'busy';
        default:
            return status >= 500 ? 'unavailable' : 'refused';
    }
}

type Json = Record<string, unknown>;

function textField(value: Json, key: string): string {
    const field = value[key];
    return typeof field === 'string' ? field : '';
}

function numberField(value: Json, key: string): number {
    const field = value[key];
    return typeof field === 'number' ? field : 0;
}

async function readJson(response: Response): Promise<Json> {
    try {
        const value: unknown = await response.json();
        return typeof value === 'object' && value !== null ? (value as Json) : {};
    } catch {
        return {};
    }
}

async function request(method: 'GET' | 'POST', path: string, body?: Json): Promise<Json> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    try {
        const response = await fetch(`/api/v2${path}`, {
            method,
            credentials: 'same-origin',
            cache: 'no-store',
            signal: abort.signal,
            headers: body ? { 'Content-Type': 'application/json' } : {},
            ...(body ? { body: JSON.stringify(body) } : {}),
        });
        const value = await readJson(response);
        if (response.ok) return value;
        const detail = textField(value, 'message').slice(0, DETAIL_MAX_CHARS);
        throw new ApiFailure(failureOf(response.status), response.status, detail);
    } catch (error) {
        if (error instanceof ApiFailure) throw error;
        throw new ApiFailure('network', 0);
    } finally {
        clearTimeout(timer);
    }
}

export async function getHouse(): Promise<House> {
    const value = await request('GET', '/house');
    const operator = fromBase64Url(textField(value, 'operator'), 32);
    if (!operator) throw new ApiFailure('unavailable', 200);
    return { operator, suite: numberField(value, 'suite') };
}

/** Answers the id, which commits to all of these; the server keeps nothing. */
export async function createMeeting(linkKey: Uint8Array, owner: Uint8Array, suite: number, kind: number): Promise<string> {
    const value = await request('POST', '/meetings', {
        link_key: toBase64Url(linkKey),
        owner_key: toBase64Url(owner),
        suite,
        kind,
    });
    const id = textField(value, 'id');
    if (id === '') throw new ApiFailure('unavailable', 201);
    return id;
}

export async function getVersion(): Promise<ServerVersion> {
    const value = await request('GET', '/version');
    return { version: textField(value, 'version'), bundleSha256: textField(value, 'bundle_sha256') };
}

/** Where WebSockets of this origin are. */
export function socketUrl(origin: string): string {
    return origin.replace(/^http/i, 'ws').replace(/\/+$/, '');
}
