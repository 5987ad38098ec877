// A button with its menu. The menu's sections are asked for when it opens, so they are always current.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useId, useRef } from 'preact/hooks';
import { IconButton, type IconButtonProps } from './button';
import { Menu, type MenuSection } from './menu';

export interface MenuButtonProps extends Omit<IconButtonProps, 'onClick' | 'expanded' | 'popup' | 'controls'> {
    sections: () => readonly MenuSection[];
    align?: 'start' | 'center' | 'end';
    onOpen?: () => void;
}

export function MenuButton({ sections, align = 'center', onOpen, ...button }: MenuButtonProps): JSX.Element {
    const open = useSignal(false);
    const anchor = useRef<HTMLButtonElement>(null);
    const id = useId();
    return (
        <span class="menu-anchor">
            <IconButton
                {...button}
                buttonRef={anchor}
                popup="menu"
                expanded={open.value}
                controls={open.value ? id : undefined}
                onClick={() => {
                    if (!open.peek()) onOpen?.();
                    open.value = !open.peek();
                }}
            />
            {open.value && (
                <Menu
                    id={id}
                    label={button.label}
                    sections={sections()}
                    anchor={anchor}
                    align={align}
                    onClose={() => {
                        open.value = false;
                    }}
                />
            )}
        </span>
    );
}
