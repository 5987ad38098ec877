// The server's HTTP interface (/api/v1), same origin. Answers are checked before they are believed; every way to fail
// is an ApiFailure with a code that the pages know how to explain.

export type FailureCode =
    'meeting_not_found' | 'meeting_ended' | 'meeting_full' | 'busy' | 'unavailable' | 'network' | 'refused';

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

export interface CreatedMeeting {
    id: string;
    /** Of the group's cipher suite (MLS); the link must say the same. */
    suite: number;
}

export interface JoinGrant {
    token: string;
    identity: string;
    /** Where to connect; empty means this origin. */
    url: string;
}

export interface ServerVersion {
    version: string;
    bundleSha256: string;
}

const TIMEOUT_MS = 12_000;
const DETAIL_MAX_CHARS = 200;

/** Pure: which failure an HTTP answer means. The status decides; the code in the body refines it. */
export function failureOf(status: number, code: string): FailureCode {
    if (code === 'meeting_full') return 'meeting_full';
    switch (status) {
        case 404:
            return 'meeting_not_found';
        case 410:
            return 'meeting_ended';
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
        const response = await fetch(`/api/v1${path}`, {
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
        throw new ApiFailure(failureOf(response.status, textField(value, 'error')), response.status, detail);
    } catch (error) {
        if (error instanceof ApiFailure) throw error;
        throw new ApiFailure('network', 0);
    } finally {
        clearTimeout(timer);
    }
}

export async function createMeeting(): Promise<CreatedMeeting> {
    const value = await request('POST', '/meetings', {});
    const id = textField(value, 'id');
    if (id === '') throw new ApiFailure('unavailable', 201);
    return { id, suite: numberField(value, 'suite') };
}

/** Answers the meeting's suite. */
export async function checkMeeting(id: string): Promise<number> {
    return numberField(await request('GET', `/meetings/${encodeURIComponent(id)}`), 'suite');
}

/** Without a name: that is told to the people of the meeting only. */
export async function joinMeeting(id: string): Promise<JoinGrant> {
    const value = await request('POST', `/meetings/${encodeURIComponent(id)}/join`, {});
    const token = textField(value, 'token');
    if (token === '') throw new ApiFailure('unavailable', 200);
    return { token, identity: textField(value, 'identity'), url: textField(value, 'url') };
}

export async function getVersion(): Promise<ServerVersion> {
    const value = await request('GET', '/version');
    return { version: textField(value, 'version'), bundleSha256: textField(value, 'bundle_sha256') };
}

/** Where LiveKit signalling is: the given address, or this origin with the WebSocket scheme. */
export function signalUrl(url: string, origin: string): string {
    const base = url === '' ? origin : url;
    return base.replace(/^http/i, 'ws').replace(/\/+$/, '');
}
