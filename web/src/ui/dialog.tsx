// A modal dialog on the browser's own <dialog>: it keeps the focus inside, closes with Escape and gives the focus back.
import type { ComponentChildren, JSX } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { IconButton } from './button';

/** What is asked for, else what is answered with. */
const FIRST = '.dialog-body > :not(header) :is(input, select, textarea, button), .dialog-body > :is(input, select, textarea, button)';

export interface DialogProps {
    title: string;
    onClose: () => void;
    children: ComponentChildren;
    testid?: string;
}

export function Dialog({ title, onClose, children, testid }: DialogProps): JSX.Element {
    const ref = useRef<HTMLDialogElement>(null);
    const titleId = useId();
    // in the same turn as its elements: a key pressed in between would go to the page behind
    useLayoutEffect(() => {
        const dialog = ref.current;
        const before = document.activeElement;
        dialog?.showModal();
        // by itself the browser takes the first button, which closes it
        (dialog?.querySelector<HTMLElement>('[data-autofocus]') ?? dialog?.querySelector<HTMLElement>(FIRST) ?? dialog?.querySelector('h2'))?.focus();
        return () => {
            dialog?.close();
            if (before instanceof HTMLElement && before.isConnected) before.focus();
        };
    }, []);
    return (
        <dialog
            ref={ref}
            class="dialog"
            aria-labelledby={titleId}
            data-testid={testid}
            onCancel={(event) => {
                event.preventDefault();
                onClose();
            }}
            onClick={(event) => {
                if (event.target === ref.current) onClose();
            }}
        >
            <div class="dialog-body">
                <header>
                    <h2 id={titleId} tabIndex={-1}>{title}</h2>
                    <IconButton icon="close" label={t.close} onClick={onClose} />
                </header>
                {children}
            </div>
        </dialog>
    );
}
