// A pop-up menu opened by a button: arrow keys move, Escape and Tab close, the focus returns to the button.
import type { ComponentChildren, JSX, RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icons';

export interface MenuItemSpec {
    label: string;
    onSelect: () => void;
    /** Given for radio and switch items; absent for plain commands. */
    checked?: boolean | undefined;
    role?: 'menuitem' | 'menuitemradio' | 'menuitemcheckbox';
    icon?: IconName | undefined;
    hint?: string | undefined;
    disabled?: boolean | undefined;
    testid?: string | undefined;
    /** Keep the menu open, for switches that are flipped several at a time. */
    stay?: boolean | undefined;
}

export interface MenuSection {
    title?: string;
    items: readonly MenuItemSpec[];
    /** Anything that is no item, such as a hint. */
    after?: ComponentChildren;
}

export interface MenuProps {
    id: string;
    label: string;
    sections: readonly MenuSection[];
    onClose: () => void;
    anchor: RefObject<HTMLElement>;
    align?: 'start' | 'center' | 'end';
}

const ITEM = '[role^="menuitem"]:not([aria-disabled="true"])';

function moveFocus(root: HTMLElement, key: string): boolean {
    const items = [...root.querySelectorAll<HTMLElement>(ITEM)];
    if (items.length === 0) return false;
    const at = items.indexOf(document.activeElement as HTMLElement);
    let to: number;
    if (key === 'ArrowDown') to = (at + 1) % items.length;
    else if (key === 'ArrowUp') to = (at <= 0 ? items.length : at) - 1;
    else if (key === 'Home') to = 0;
    else if (key === 'End') to = items.length - 1;
    else return false;
    items[to]?.focus();
    return true;
}

export function Menu({ id, label, sections, onClose, anchor, align = 'center' }: MenuProps): JSX.Element {
    const ref = useRef<HTMLDivElement>(null);
    const close = (): void => {
        onClose();
        anchor.current?.focus();
    };
    // in the same turn as its elements: a key pressed in between would not reach the menu
    useLayoutEffect(() => {
        const root = ref.current;
        const checked = root?.querySelector<HTMLElement>('[aria-checked="true"]');
        (checked ?? root?.querySelector<HTMLElement>(ITEM))?.focus();
        const outside = (event: PointerEvent): void => {
            const target = event.target as Node;
            if (!root?.contains(target) && !anchor.current?.contains(target)) onClose();
        };
        document.addEventListener('pointerdown', outside, true);
        return () => document.removeEventListener('pointerdown', outside, true);
    }, []);
    const onKeyDown = (event: KeyboardEvent): void => {
        if (event.key === 'Escape') {
            close();
        } else if (event.key === 'Tab') {
            onClose();
            return;
        } else if (!ref.current || !moveFocus(ref.current, event.key)) {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    };
    return (
        <div ref={ref} id={id} class={`menu align-${align}`} role="menu" aria-label={label} onKeyDown={onKeyDown}>
            {sections.map((section) => (
                <div role="group" aria-label={section.title} class="menu-section">
                    {section.title && (
                        <div class="menu-title" aria-hidden="true">
                            {section.title}
                        </div>
                    )}
                    {section.items.map((item) => (
                        <MenuItem item={item} close={close} />
                    ))}
                    {section.after}
                </div>
            ))}
        </div>
    );
}

function MenuItem({ item, close }: { item: MenuItemSpec; close: () => void }): JSX.Element {
    return (
        <button
            type="button"
            class="menu-item"
            role={item.role ?? 'menuitem'}
            aria-checked={item.checked}
            aria-disabled={item.disabled ? 'true' : undefined}
            data-testid={item.testid}
            tabIndex={-1}
            onClick={() => {
                if (item.disabled) return;
                if (!item.stay) close();
                item.onSelect();
            }}
        >
            <span class="menu-mark">
                {item.checked ? (
                    <Icon name="check" size={18} />
                ) : item.icon ? (
                    <Icon name={item.icon} size={18} />
                ) : null}
            </span>
            <span class="menu-label">{item.label}</span>
            {item.hint && <kbd>{item.hint}</kbd>}
        </button>
    );
}
