// What this browser remembers: the name, device choices and display preferences. Nothing about meetings is kept.
import { signal, type ReadonlySignal } from '@preact/signals';
import { cutText } from '../ui/text';
import { VIDEO_CODECS, type VideoCodec } from '../secure/codecs';

export type Theme = 'system' | 'light' | 'dark';

export interface Settings {
    name: string;
    micId: string;
    cameraId: string;
    speakerId: string;
    micOn: boolean;
    cameraOn: boolean;
    theme: Theme;
    shortcuts: boolean;
    selfView: boolean;
    /** What pictures are sent as; a browser that cannot sends VP8. */
    videoCodec: VideoCodec;
}

/** Long enough for any name people go by, short enough for a tile. */
export const NAME_MAX_CHARS = 64;
/** What the group carries (MEMBER_NAME_LEN_MAX). */
const NAME_MAX_BYTES = 256;
const DEVICE_ID_MAX_CHARS = 256;
const STORAGE_KEY = 'conclave.settings';

export const DEFAULTS: Settings = {
    name: '',
    micId: '',
    cameraId: '',
    speakerId: '',
    micOn: true,
    cameraOn: true,
    theme: 'system',
    shortcuts: true,
    selfView: true,
    videoCodec: 'vp8',
};

/** Fillers, joiners and selectors, which show nothing by themselves, and the empty Braille cell. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Whether there is anything to see: a letter, figure, sign or symbol. */
export function hasVisible(text: string): boolean {
    return /[\p{L}\p{N}\p{P}\p{S}]/u.test(text.replace(INVISIBLE, ''));
}

/**
 * A name as it is sent: no control or direction-changing characters, single spaces, at most NAME_MAX_CHARS as readers count them; empty
 * where nothing of it would be seen.
 */
export function cleanName(text: string): string {
    const visible = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => (c === '\u200d' || c === '\u200c' ? c : ' '));
    const name = cutText(visible.replace(/\s+/gu, ' ').trim(), NAME_MAX_BYTES, NAME_MAX_CHARS).trim();
    return hasVisible(name) ? name : '';
}

/** Reads stored settings; anything missing or of a wrong type falls back to its default, never to an error. */
export function parseSettings(json: string | null): Settings {
    let stored: Record<string, unknown> = {};
    try {
        const value: unknown = JSON.parse(json ?? '{}');
        if (typeof value === 'object' && value !== null) stored = value as Record<string, unknown>;
    } catch {
        // A damaged entry is the same as none.
    }
    const text = (key: keyof Settings, max: number): string => {
        const value = stored[key];
        return typeof value === 'string' && value.length <= max ? value : '';
    };
    const flag = (key: keyof Settings): boolean => {
        const value = stored[key];
        return typeof value === 'boolean' ? value : (DEFAULTS[key] as boolean);
    };
    const theme = stored['theme'];
    return {
        name: cleanName(text('name', NAME_MAX_CHARS * 4)),
        micId: text('micId', DEVICE_ID_MAX_CHARS),
        cameraId: text('cameraId', DEVICE_ID_MAX_CHARS),
        speakerId: text('speakerId', DEVICE_ID_MAX_CHARS),
        micOn: flag('micOn'),
        cameraOn: flag('cameraOn'),
        theme: theme === 'light' || theme === 'dark' ? theme : 'system',
        shortcuts: flag('shortcuts'),
        selfView: flag('selfView'),
        videoCodec: VIDEO_CODECS.find((codec) => codec === stored['videoCodec']) ?? DEFAULTS.videoCodec,
    };
}

function load(): Settings {
    try {
        return parseSettings(globalThis.localStorage?.getItem(STORAGE_KEY) ?? null);
    } catch {
        // Storage may be forbidden by the browser; the client works without memory then.
        return { ...DEFAULTS };
    }
}

const current = signal<Settings>(load());
export const settings: ReadonlySignal<Settings> = current;

export function updateSettings(patch: Partial<Settings>): void {
    current.value = { ...current.peek(), ...patch };
    try {
        globalThis.localStorage?.setItem(STORAGE_KEY, JSON.stringify(current.peek()));
    } catch {
        // Full or forbidden storage only means that the choice is forgotten.
    }
}
