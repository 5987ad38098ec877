// Keyboard shortcuts: which keys mean what, and how they are written for this system. Pure.

export type Action = 'mic' | 'camera' | 'chat' | 'people' | 'fullscreen' | 'help';

interface Binding {
    action: Action;
    key: string;
    control: boolean;
    shift: boolean;
}

// Not Ctrl+Shift+P, N, T or W: browsers keep those for windows and tabs, and a page cannot have them.
const BINDINGS: readonly Binding[] = [
    { action: 'mic', key: 'd', control: true, shift: false },
    { action: 'camera', key: 'e', control: true, shift: false },
    { action: 'chat', key: 'm', control: true, shift: true },
    { action: 'people', key: 'l', control: true, shift: true },
    { action: 'fullscreen', key: 'f', control: true, shift: true },
    { action: 'help', key: '?', control: false, shift: false },
];

export interface KeyPress {
    key: string;
    ctrlKey: boolean;
    metaKey: boolean;
    altKey: boolean;
    shiftKey: boolean;
    repeat: boolean;
}

/** `?` is looked up by the character, since keyboards reach it with different modifiers. */
export function actionOf(press: KeyPress, mac: boolean): Action | undefined {
    if (press.repeat || press.altKey) return undefined;
    // A Mac has both keys and programs use either; elsewhere the Meta key belongs to the system.
    const control = mac ? press.metaKey !== press.ctrlKey : press.ctrlKey && !press.metaKey;
    const bare = !press.metaKey && !press.ctrlKey;
    const key = press.key.toLowerCase();
    return BINDINGS.find((b) => {
        if (b.key !== key) return false;
        return b.control ? control && press.shiftKey === b.shift : bare;
    })?.action;
}

export function keysOf(action: Action, mac: boolean): string {
    const binding = BINDINGS.find((b) => b.action === action);
    if (!binding) return '';
    const control = mac && !binding.shift ? '⌘' : 'Ctrl';
    const parts = [binding.control ? control : '', binding.shift ? 'Shift' : '', binding.key.toUpperCase()];
    return parts.filter(Boolean).join('+');
}

interface Focusable {
    tagName?: string;
    type?: string;
    isContentEditable?: boolean;
}

const NOT_TYPING = new Set(['button', 'checkbox', 'radio', 'range', 'submit', 'reset', 'file', 'color', 'image']);

/** Shortcuts rest while somebody types. */
export function isTyping(element: Focusable | null): boolean {
    if (!element) return false;
    const tag = element.tagName?.toUpperCase();
    if (tag === 'TEXTAREA' || tag === 'SELECT') return true;
    if (tag === 'INPUT') return !NOT_TYPING.has((element.type ?? 'text').toLowerCase());
    return element.isContentEditable === true;
}

export const ACTIONS: readonly Action[] = BINDINGS.map((b) => b.action);
