import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

// The tests run from a bundle elsewhere: `web` is where npm runs them.
const FOLDER = path.resolve('src/styles');
const sheets = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.css'))
    .map((name) => readFileSync(path.join(FOLDER, name), 'utf8').replace(/\/\*[^]*?\*\//g, ''));
const all = sheets.join('\n');

type Roles = Map<string, string>;

function rolesOf(selector: string): Roles {
    const at = all.indexOf(`${selector} {`);
    assert.ok(at >= 0, selector);
    const block = all.slice(at, all.indexOf('}', at));
    return new Map([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{3,6})\b/g)].map((m): [string, string] => [m[1] ?? '', m[2] ?? '']));
}

const light = rolesOf(':root');
const dark = new Map([...light, ...rolesOf(":root[data-theme='dark']")]);

/** WCAG 2.2, relative luminance and contrast ratio. */
function luminance(hex: string): number {
    const full = hex.length === 4 ? hex.replace(/[0-9a-f]/g, '$&$&') : hex;
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
        const c = parseInt(full.slice(i, i + 2), 16) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

const GROUNDS = ['ground', 'surface', 'raised'];
const TEXT_MIN = 4.5;
const SHAPE_MIN = 3;

/** What may stand on what, by inheritance as well: words, and shapes that say something (1.4.3 and 1.4.11). */
const PAIRS: [front: string, grounds: string[], min: number][] = [
    ['text', [...GROUNDS, 'hover', 'line'], TEXT_MIN],
    ['muted', [...GROUNDS, 'hover'], TEXT_MIN],
    ['accent', [...GROUNDS, 'accent-soft'], TEXT_MIN],
    ['danger', [...GROUNDS, 'danger-soft', 'hover'], TEXT_MIN],
    ['on-accent', ['accent', 'accent-hover'], TEXT_MIN],
    ['on-danger', ['danger', 'danger-hover'], TEXT_MIN],
    ['warn-text', ['warn-ground'], TEXT_MIN],
    ['tile-text', ['tile'], TEXT_MIN],
    ['ground', ['text'], TEXT_MIN],
    ['field-line', GROUNDS, SHAPE_MIN],
    ['speaking', ['tile', 'surface', 'raised'], SHAPE_MIN],
];

test('every colour of words and signs stands out from each ground it may stand on, in light and dark', () => {
    for (const [theme, roles] of [['light', light], ['dark', dark]] as const) {
        for (const [front, grounds, min] of PAIRS) {
            for (const ground of grounds) {
                const ratio = contrast(roles.get(front) ?? '', roles.get(ground) ?? '');
                assert.ok(ratio >= min, `${front} on ${ground} in ${theme}: ${ratio.toFixed(2)}, not ${min}`);
            }
        }
    }
});

test('dark is the same whether the system or the person asks for it', () => {
    assert.deepEqual(rolesOf(":root:not([data-theme='light'])"), rolesOf(":root[data-theme='dark']"));
});

test('what a rule writes on its own ground can be read, and no role is left out', () => {
    const known = new Set(PAIRS.flatMap(([front, grounds]) => [front, ...grounds]));
    for (const [, selector = '', block = ''] of all.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
        const value = (name: string): string => new RegExp(`(?:^|[;\\s])${name}:\\s*([^;]+)`).exec(block)?.[1]?.trim() ?? '';
        const role = (text: string): string | undefined => /^var\(--([\w-]+)\)$/.exec(text)?.[1];
        const [front, ground] = [value('color'), value('background')];
        for (const used of [role(front), role(ground)]) assert.ok(!used || known.has(used), `${used} in ${selector.trim()}`);
        for (const roles of [light, dark]) {
            const [a, b] = [front, ground].map((text) => roles.get(role(text) ?? '') ?? (/^#[0-9a-f]+$/.test(text) ? text : undefined));
            if (a && b) assert.ok(contrast(a, b) >= TEXT_MIN, `${selector.trim()}: ${contrast(a, b).toFixed(2)}`);
        }
        // initials are white
        if (/^\s*\.hue-/.test(selector)) assert.ok(contrast('#fff', ground) >= TEXT_MIN, selector.trim());
    }
});

test('what stands in an empty field can be read: browsers would draw it paler', () => {
    const rule = /\.field::placeholder\s*\{([^}]*)\}/.exec(all)?.[1] ?? '';
    assert.match(rule, /color:\s*var\(--muted\)/);
    assert.match(rule, /opacity:\s*1\b/);
});
