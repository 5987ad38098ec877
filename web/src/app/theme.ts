// Light, dark or like the system: one attribute on the root element, which the style sheet reads.
import { effect } from '@preact/signals';
import { settings } from './settings';

export function applyTheme(): void {
    effect(() => {
        const theme = settings.value.theme;
        const root = document.documentElement;
        if (theme === 'system') root.removeAttribute('data-theme');
        else root.setAttribute('data-theme', theme);
    });
}
