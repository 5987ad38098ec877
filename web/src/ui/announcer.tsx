// What screen readers say that is shown without words, or away from the focus: one polite region. What comes within a second is said
// together, so that a round of applause is one sentence.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';

const GATHER_MS = 1_000;

/** `round` makes new elements of the same words: they are said again. */
const spoken = signal<{ round: number; texts: readonly string[] }>({ round: 0, texts: [] });
let waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

/** The same within a second is said once; of what replaces itself, such as a switch, only the last with the same `about`. */
const abouts = new Map<string, string>();

export function announce(text: string, about?: string): void {
    const before = about === undefined ? undefined : abouts.get(about);
    waiting = waiting.filter((one) => one !== before && one !== text);
    waiting.push(text);
    if (about !== undefined) abouts.set(about, text);
    timer ??= setTimeout(() => {
        timer = undefined;
        spoken.value = { round: spoken.peek().round + 1, texts: waiting };
        waiting = [];
        abouts.clear();
    }, GATHER_MS);
}

export function Announcer(): JSX.Element {
    const { round, texts } = spoken.value;
    return (
        <div class="sr-only" role="log" aria-live="polite" aria-relevant="additions text" aria-atomic="true" data-testid="announcer">
            {texts.map((text) => (
                <p key={`${round} ${text}`} dir="auto">
                    {text}
                </p>
            ))}
        </div>
    );
}
