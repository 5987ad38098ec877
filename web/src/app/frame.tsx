// The frame of all pages outside a meeting: mark, theme switch and content.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { MenuButton } from '../ui/menu_button';
import type { MenuItemSpec } from '../ui/menu';
import { goTo } from './flow';
import { settings, updateSettings, type Theme } from './settings';

export interface FrameProps {
    children: ComponentChildren;
    /** Of the page, for the window and for screen readers. */
    title?: string;
    testid?: string;
}

let shownBefore = false;

/**
 * The focus goes to the heading of a new page, so that the keyboard and screen readers begin there. Not on the first page,
 * where browsers do that by themselves, and not when the page put it into a field.
 */
function focusHeading(main: HTMLElement | null): void {
    if (shownBefore && main && !main.contains(document.activeElement)) main.querySelector('h1')?.focus();
    shownBefore = true;
}

export function Frame({ children, title, testid }: FrameProps): JSX.Element {
    const main = useRef<HTMLElement>(null);
    useEffect(() => {
        document.title = title ? `${title} – ${t.appName}` : t.appName;
        focusHeading(main.current);
    }, [title]);
    const theme = (value: Theme, label: string): MenuItemSpec => ({
        label,
        role: 'menuitemradio',
        checked: settings.value.theme === value,
        testid: `theme-${value}`,
        onSelect: () => updateSettings({ theme: value }),
    });
    return (
        <div class="frame" data-testid={testid}>
            <header class="frame-head">
                <a
                    class="mark"
                    href="/"
                    onClick={(event) => {
                        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
                        event.preventDefault();
                        goTo('/');
                    }}
                >
                    <Mark />
                    {t.appName}
                </a>
                <MenuButton
                    icon="sun"
                    label={t.more.theme}
                    align="end"
                    testid="theme-menu"
                    sections={() => [
                        {
                            title: t.more.theme,
                            items: [
                                theme('system', t.more.system),
                                theme('light', t.more.light),
                                theme('dark', t.more.dark),
                            ],
                        },
                    ]}
                />
            </header>
            <main ref={main} class="frame-main">{children}</main>
        </div>
    );
}

function Mark(): JSX.Element {
    return (
        <svg width="32" height="32" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <rect class="mark-ground" width="32" height="32" rx="8" />
            <circle class="mark-ring" cx="16" cy="16" r="8.5" />
            <circle class="mark-dot" cx="16" cy="16" r="3" />
        </svg>
    );
}
