// Messages to everybody, through the group: sealed for its members, each proven to be from whom it says.
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import type { Secure } from '../secure/types';
import { CHAT_KEPT_MAX, receiveText } from './chat_text';

export type ChatState = 'sending' | 'sent' | 'failed';

export interface ChatMessage {
    id: string;
    from: string;
    name: string;
    text: string;
    cut: boolean;
    atMs: number;
    own: boolean;
    state: ChatState;
}

function newId(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export class Chat {
    private readonly list = signal<readonly ChatMessage[]>([]);
    private readonly seen = signal(0);
    private readonly arrived = signal(0);

    readonly messages: ReadonlySignal<readonly ChatMessage[]> = this.list;
    readonly unread: ReadonlySignal<number> = computed(() => this.arrived.value - this.seen.value);

    constructor(
        private readonly secure: Secure,
        private readonly self: string,
        private readonly nameOf: (identity: string) => string,
        private readonly onMessage: (message: ChatMessage) => void,
    ) {}

    markRead(): void {
        this.seen.value = this.arrived.peek();
    }

    /** Shows the message at once and sends it; a failure leaves it in the list with a way to send it again. */
    async send(text: string): Promise<void> {
        const clean = receiveText(text.trim());
        if (clean.text === '' || clean.cut) return;
        const message: ChatMessage = {
            id: newId(),
            from: this.self,
            name: this.nameOf(this.self),
            text: clean.text,
            cut: false,
            atMs: Date.now(),
            own: true,
            state: 'sending',
        };
        this.add(message);
        await this.transmit(message);
    }

    async retry(message: ChatMessage): Promise<void> {
        this.setState(message.id, 'sending');
        await this.transmit(message);
    }

    /** From the group. */
    received(from: string, atMs: number, id: string, text: string): void {
        const { text: shown, cut } = receiveText(text);
        // The id is the sender's: whoever takes another's cannot replace a message with it.
        const key = `${from}:${id}`;
        if (shown.trim() === '' || this.list.peek().some((m) => m.id === key)) return;
        const now = Date.now();
        const message: ChatMessage = {
            id: key,
            from,
            name: this.nameOf(from),
            text: shown,
            cut,
            // A clock that is wrong, or lies, does not put a message where it does not belong.
            atMs: Math.abs(atMs - now) < 60_000 ? atMs : now,
            own: false,
            state: 'sent',
        };
        this.add(message);
        this.arrived.value++;
        this.onMessage(message);
    }

    private async transmit(message: ChatMessage): Promise<void> {
        try {
            await this.secure.chat('', message.id, message.text);
            this.setState(message.id, 'sent');
        } catch {
            this.setState(message.id, 'failed');
        }
    }

    private add(message: ChatMessage): void {
        this.list.value = [...this.list.peek(), message].slice(-CHAT_KEPT_MAX);
    }

    private setState(id: string, state: ChatState): void {
        this.list.value = this.list.peek().map((m) => (m.id === id ? { ...m, state } : m));
    }
}
