// A round icon button with a name, a tooltip and, for switches, a pressed state.
import type { ComponentChildren, JSX, Ref } from 'preact';
import { Icon, type IconName } from './icons';

export interface IconButtonProps {
    icon: IconName;
    label: string;
    onClick: (event: MouseEvent) => void;
    /** The tooltip's text where it differs from the name: a switch keeps its name and tells what a press would do. */
    tip?: string | undefined;
    /** Shown in the tooltip and announced, for example "Ctrl+D". */
    shortcut?: string | undefined;
    pressed?: boolean | undefined;
    expanded?: boolean | undefined;
    popup?: 'menu' | 'dialog' | undefined;
    controls?: string | undefined;
    tone?: 'plain' | 'danger' | 'off' | 'active' | undefined;
    extraClass?: string | undefined;
    disabled?: boolean | undefined;
    testid?: string | undefined;
    buttonRef?: Ref<HTMLButtonElement> | undefined;
    children?: ComponentChildren;
}

export function IconButton(props: IconButtonProps): JSX.Element {
    const { icon, label, shortcut, tone = 'plain' } = props;
    const tip = props.tip ?? label;
    return (
        <button
            type="button"
            class={`icon-button tone-${tone} ${props.extraClass ?? ''}`}
            ref={props.buttonRef ?? null}
            aria-label={label}
            aria-keyshortcuts={shortcut ? shortcut.replace('⌘', 'Meta').replace('Ctrl', 'Control') : undefined}
            aria-pressed={props.pressed}
            aria-expanded={props.expanded}
            aria-haspopup={props.popup}
            aria-controls={props.controls}
            aria-disabled={props.disabled ? 'true' : undefined}
            data-testid={props.testid}
            data-tip={shortcut ? `${tip} (${shortcut})` : tip}
            onClick={(event) => {
                if (!props.disabled) props.onClick(event);
            }}
        >
            <Icon name={icon} />
            {props.children}
        </button>
    );
}

/** Escape takes a tooltip away from what it covers; the next movement of pointer or focus allows them again. */
export function dismissTips(): void {
    const root = document.documentElement;
    window.addEventListener('keydown', (event) => event.key === 'Escape' && root.setAttribute('data-tips', 'off'), true);
    for (const type of ['pointerover', 'focusin']) window.addEventListener(type, () => root.removeAttribute('data-tips'));
}
