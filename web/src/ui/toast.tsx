// Short notes that come and go. They are read out by screen readers and never take the focus.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { t } from '../i18n';
import { IconButton } from './button';

export interface ToastAction {
    label: string;
    run: () => void;
}

export interface Toast {
    id: number;
    text: string;
    urgent: boolean;
    action: ToastAction | undefined;
    /** What it is about, for taking it away when the person looks at that. */
    group: string | undefined;
}

/** More at once nobody reads; the oldest gives way. */
const TOASTS_MAX = 4;
const SHORT_MS = 5_000;
const LONG_MS = 12_000;

const list = signal<readonly Toast[]>([]);
let nextId = 1;

export function toast(text: string, options: { urgent?: boolean; action?: ToastAction; group?: string } = {}): void {
    if (list.peek().some((shown) => shown.text === text)) return;
    const { urgent = false, action, group } = options;
    const entry: Toast = { id: nextId++, text, urgent, action, group };
    list.value = [...list.peek(), entry].slice(-TOASTS_MAX);
    setTimeout(() => dismiss(entry.id), entry.urgent || entry.action ? LONG_MS : SHORT_MS);
}

export function dismiss(id: number): void {
    list.value = list.peek().filter((entry) => entry.id !== id);
}

/** The person sees now what these told of. */
export function dismissGroup(group: string): void {
    list.value = list.peek().filter((entry) => entry.group !== group);
}

export function clearToasts(): void {
    list.value = [];
}

export function ToastRegion(): JSX.Element {
    return (
        <section class="toasts" aria-label={t.toast.region}>
            <div role="status" aria-live="polite">
                {list.value
                    .filter((e) => !e.urgent)
                    .map((entry) => (
                        <ToastCard key={entry.id} entry={entry} />
                    ))}
            </div>
            <div role="alert">
                {list.value
                    .filter((e) => e.urgent)
                    .map((entry) => (
                        <ToastCard key={entry.id} entry={entry} />
                    ))}
            </div>
        </section>
    );
}

function ToastCard({ entry }: { entry: Toast }): JSX.Element {
    return (
        <div class={`toast ${entry.urgent ? 'urgent' : ''}`}>
            <span dir="auto">{entry.text}</span>
            {entry.action && (
                <button
                    type="button"
                    class="button quiet"
                    onClick={() => {
                        entry.action?.run();
                        dismiss(entry.id);
                    }}
                >
                    {entry.action.label}
                </button>
            )}
            <IconButton icon="close" label={t.toast.dismiss} onClick={() => dismiss(entry.id)} />
        </div>
    );
}
