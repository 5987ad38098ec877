// The stand-in for a person without picture: initials on a colour that stays the same for that person. Pure.
import { firstGrapheme } from '../ui/text';

/** Number of colours in the style sheet (.hue-0 and so on). */
export const HUES = 8;

export function initials(name: string): string {
    const words = name
        .trim()
        .split(/[\s._-]+/u)
        .filter(Boolean);
    const first = firstGrapheme(words[0] ?? '?');
    const last = words.length > 1 ? firstGrapheme(words[words.length - 1] ?? '') : '';
    return (first + last).toLocaleUpperCase();
}

export function hueOf(identity: string): number {
    let hash = 0;
    for (let i = 0; i < identity.length; i++) hash = (Math.imul(hash, 31) + identity.charCodeAt(i)) | 0;
    return Math.abs(hash) % HUES;
}
