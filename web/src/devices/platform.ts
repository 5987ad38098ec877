// Which steps to show people: the browser and the system, from the user agent. Wrong guesses only cost a generic text.

import { signal } from '@preact/signals';

export type Browser = 'chrome' | 'firefox' | 'safari' | 'other';
export type System = 'mac' | 'windows' | 'android' | 'ios' | 'linux';

export interface Platform {
    browser: Browser;
    system: System;
}

export function detectPlatform(userAgent: string, touchPoints = 0): Platform {
    let system: System = 'linux';
    if (/Android/i.test(userAgent)) system = 'android';
    else if (/iPhone|iPad|iPod/i.test(userAgent)) system = 'ios';
    // iPads ask for desktop pages and call themselves Macs; no Mac has a touch screen.
    else if (/Macintosh|Mac OS X/i.test(userAgent)) system = touchPoints > 1 ? 'ios' : 'mac';
    else if (/Windows/i.test(userAgent)) system = 'windows';

    let browser: Browser = 'other';
    if (/Firefox\/|FxiOS\//i.test(userAgent)) browser = 'firefox';
    else if (/Chrome\/|Chromium\/|CriOS\//i.test(userAgent)) browser = 'chrome';
    else if (/Safari\//i.test(userAgent)) browser = 'safari';
    return { browser, system };
}

export function thisPlatform(): Platform {
    return detectPlatform(navigator.userAgent, navigator.maxTouchPoints);
}

/**
 * Whether keys are worth naming: there is a mouse, or no touch screen, or a key was pressed that keyboards on a screen do not have.
 * Laptops with touch screens have both; phones and tablets have neither until a keyboard is put on.
 */
export const keyboardLikely = signal(likelyByPointers());

function likelyByPointers(): boolean {
    if (typeof window === 'undefined') return true;
    const has = (query: string): boolean => window.matchMedia(query).matches;
    return !has('(any-pointer: coarse)') || has('(any-hover: hover) and (any-pointer: fine)');
}

const REAL_KEYS = new Set(['Tab', 'Control', 'Meta', 'Alt', 'Escape', 'ArrowUp', 'ArrowDown']);

/** Once, at the start of the page. */
export function watchForKeyboard(): void {
    const onKey = (event: KeyboardEvent): void => {
        if (!REAL_KEYS.has(event.key)) return;
        keyboardLikely.value = true;
        window.removeEventListener('keydown', onKey, true);
    };
    if (!keyboardLikely.peek()) window.addEventListener('keydown', onKey, true);
}

export function isMac(platform: Platform): boolean {
    return platform.system === 'mac' || platform.system === 'ios';
}
