// Messages to everybody, as text streams on the topic that LiveKit's own clients use, so that those can take part.
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import type { Room, TextStreamReader } from 'livekit-client';
import { CHAT_KEPT_MAX, CHAT_MAX_CHARS, receiveText } from './chat_text';

const TOPIC = 'lk.chat';
/** Where reading a message stops, whatever it claims: UTF-8 needs at most three bytes per UTF-16 unit. */
const READ_MAX_CHARS = CHAT_MAX_CHARS + 1;

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

export class Chat {
    private readonly list = signal<readonly ChatMessage[]>([]);
    private readonly seen = signal(0);
    private readonly received = signal(0);
    private nextId = 1;

    readonly messages: ReadonlySignal<readonly ChatMessage[]> = this.list;
    readonly unread: ReadonlySignal<number> = computed(() => this.received.value - this.seen.value);

    constructor(
        private readonly room: Room,
        private readonly nameOf: (identity: string) => string,
        private readonly onMessage: (message: ChatMessage) => void,
    ) {
        room.registerTextStreamHandler(TOPIC, (reader, from) => {
            void this.receive(reader, from.identity);
        });
    }

    close(): void {
        this.room.unregisterTextStreamHandler(TOPIC);
    }

    markRead(): void {
        this.seen.value = this.received.peek();
    }

    /** Shows the message at once and sends it; a failure leaves it in the list with a way to send it again. */
    async send(text: string): Promise<void> {
        const clean = receiveText(text.trim());
        if (clean.text === '' || clean.cut) return;
        const self = this.room.localParticipant.identity;
        const message: ChatMessage = {
            id: `own-${this.nextId++}`,
            from: self,
            name: this.nameOf(self),
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

    private async transmit(message: ChatMessage): Promise<void> {
        try {
            await this.room.localParticipant.sendText(message.text, { topic: TOPIC });
            this.setState(message.id, 'sent');
        } catch {
            this.setState(message.id, 'failed');
        }
    }

    private async receive(reader: TextStreamReader, from: string): Promise<void> {
        let text = '';
        try {
            for await (const chunk of reader) {
                text += chunk;
                if (text.length > READ_MAX_CHARS) break;
            }
        } catch {
            // The sender left in the middle; what has come is shown if it is anything.
        }
        const { text: shown, cut } = receiveText(text);
        if (shown.trim() === '') return;
        const message: ChatMessage = {
            id: `in-${this.nextId++}`,
            from,
            name: this.nameOf(from),
            text: shown,
            cut,
            atMs: Date.now(),
            own: false,
            state: 'sent',
        };
        this.add(message);
        this.received.value++;
        this.onMessage(message);
    }

    private add(message: ChatMessage): void {
        this.list.value = [...this.list.peek(), message].slice(-CHAT_KEPT_MAX);
    }

    private setState(id: string, state: ChatState): void {
        this.list.value = this.list.peek().map((m) => (m.id === id ? { ...m, state } : m));
    }
}
