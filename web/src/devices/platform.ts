// Which steps to show people: the browser and the system, from the user agent. Wrong guesses only cost a generic text.

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

export function isMac(platform: Platform): boolean {
    return platform.system === 'mac' || platform.system === 'ios';
}
