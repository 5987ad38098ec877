// One stop of the Tab key for many buttons of a kind: arrow keys move among them, as in a menu (WAI-ARIA, "roving tabindex").
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect } from 'preact/hooks';

/** Pure: where a key leads from `at` among `count` places in rows of `cols`; undefined for keys that move nothing. */
export function moved(key: string, at: number, count: number, cols: number, rightToLeft = false): number | undefined {
    const forward = rightToLeft ? -1 : 1;
    const to = {
        ArrowRight: at + forward,
        ArrowLeft: at - forward,
        ArrowDown: at + cols,
        ArrowUp: at - cols,
        Home: 0,
        End: count - 1,
    }[key];
    if (to === undefined) return undefined;
    return to >= 0 && to < count ? to : at;
}

/** Call where what is in `place` is drawn, so that it sees each change of it. `cols` is 1 for a row and a column alike. */
export function useRoving(place: RefObject<HTMLElement>, selector: string, cols: number): void {
    const all = (): HTMLElement[] => [...(place.current?.querySelectorAll<HTMLElement>(selector) ?? [])];
    const stopAt = (current: HTMLElement | undefined): void => {
        for (const one of all()) one.tabIndex = one === current ? 0 : -1;
    };
    useLayoutEffect(() => {
        const buttons = all();
        const focused = buttons.find((one) => one === document.activeElement);
        stopAt(focused ?? buttons.find((one) => one.getAttribute('tabindex') === '0') ?? buttons[0]);
    });
    useEffect(() => {
        const element = place.current;
        if (!element) return undefined;
        const onKey = (event: KeyboardEvent): void => {
            const buttons = all();
            const at = buttons.indexOf(document.activeElement as HTMLElement);
            if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
            const to = moved(event.key, at, buttons.length, cols, getComputedStyle(element).direction === 'rtl');
            if (to === undefined) return;
            event.preventDefault();
            buttons[to]?.focus();
        };
        const onFocus = (): void => {
            const focused = all().find((one) => one === document.activeElement);
            if (focused) stopAt(focused);
        };
        element.addEventListener('keydown', onKey);
        element.addEventListener('focusin', onFocus);
        return () => {
            element.removeEventListener('keydown', onKey);
            element.removeEventListener('focusin', onFocus);
        };
    }, [cols]);
}
