// What the meeting's buttons, menus and shortcuts do: one object, so that each deed has one implementation.
import { signal } from '@preact/signals';
import { settings } from '../app/settings';
import { isMac, keyboardLikely, thisPlatform } from '../devices/platform';
import { toggleFullScreen } from '../ui/full_screen';
import { dismissGroup } from '../ui/toast';
import type { Session } from './session';
import { keysOf, type Action } from './shortcuts';
import type { View } from './view';

export type Panel = 'chat' | 'people' | 'security';
export type OpenDialog = 'shortcuts' | 'devices' | 'title';

const mac = isMac(thisPlatform());

/** The keys of an action as text for tooltips; nothing while shortcuts are switched off, or where there is no keyboard. */
export function shownKeys(action: Action): string | undefined {
    return settings.value.shortcuts && keyboardLikely.value ? keysOf(action, mac) : undefined;
}

export class Controls {
    readonly panel = signal<Panel | undefined>(undefined);
    readonly dialog = signal<OpenDialog | undefined>(undefined);
    /** Where the focus was before the panel opened; it returns there. */
    private before: Element | null = null;

    constructor(
        readonly session: Session,
        readonly view: View,
    ) {}

    toggleMic(): void {
        void this.session.media.mic.toggle();
    }

    toggleCamera(): void {
        void this.session.media.camera.toggle();
    }

    toggleShare(): void {
        void this.session.media.screen.toggle();
    }

    /** Told to the others through the group; what is not told is not shown here either. */
    toggleHand(): void {
        const { secure, roster } = this.session;
        const raised = roster.self.peek()?.handRaised.peek() !== true;
        void secure.hand(raised).catch(() => undefined);
    }

    react(emoji: string): void {
        const { secure, roster } = this.session;
        void secure.react(emoji).then(
            () => roster.self.peek()?.react(emoji),
            () => undefined,
        );
    }

    togglePanel(panel: Panel): void {
        if (this.panel.peek() === panel) {
            this.closePanel();
            return;
        }
        if (this.panel.peek() === undefined) this.before = document.activeElement;
        if (panel === 'chat') {
            this.session.chat.markRead();
            dismissGroup('chat');
        }
        this.panel.value = panel;
    }

    closePanel(): void {
        const panel = this.panel.peek();
        this.panel.value = undefined;
        const opener = document.querySelector<HTMLElement>(`[data-testid="open-${panel}"]`);
        const target = this.before instanceof HTMLElement && this.before !== document.body ? this.before : opener;
        (target?.isConnected ? target : opener)?.focus();
        this.before = null;
    }

    run(action: Action): void {
        switch (action) {
            case 'mic':
                this.toggleMic();
                break;
            case 'camera':
                this.toggleCamera();
                break;
            case 'chat':
            case 'people':
                this.togglePanel(action);
                break;
            case 'fullscreen':
                void toggleFullScreen();
                break;
            case 'help':
                this.dialog.value = 'shortcuts';
                break;
        }
    }
}
