// Messages and files, to everybody or to one person, through the group: sealed for whom they are for, each proven to be from whom it
// says.
import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { deleteFile, downloadFile, FileFailure, sealFile, uploadFile, type FilePlace } from '../secure/files';
import type { SealedFile, Secure } from '../secure/types';
import { CHAT_KEPT_MAX, fileName, receiveText } from './chat_text';

export type ChatState = 'sending' | 'sent' | 'failed';

/** A file that is being sent or can be fetched. */
export interface ChatFile {
    name: string;
    lengthBytes: number;
    /** Of sending or fetching, 0 to 1; undefined while nothing is under way. */
    progress: Signal<number | undefined>;
    failure: Signal<FileFailure['code'] | undefined>;
    /** Where it is and how it opens; absent until our own has been sent. */
    sealed?: SealedFile;
    /** Our own, until it has been sent. */
    source?: File;
}

export interface ChatMessage {
    id: string;
    from: string;
    /** Whom it is for; empty: everybody. */
    to: string;
    toName: string;
    file?: ChatFile;
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
    /** The group was there before us: what was written then is sealed with keys that we never get. */
    late = false;
    readonly unread: ReadonlySignal<number> = computed(() => this.arrived.value - this.seen.value);

    constructor(
        private readonly secure: Secure,
        private readonly place: FilePlace,
        /** Our own identity, known when we are in. */
        private readonly self: () => string,
        private readonly nameOf: (identity: string) => string,
        private readonly onMessage: (message: ChatMessage) => void,
    ) {}

    markRead(): void {
        this.seen.value = this.arrived.peek();
    }

    private mine(to: string, text: string): ChatMessage {
        return {
            id: newId(),
            from: this.self(),
            to,
            toName: to === '' ? '' : this.nameOf(to),
            name: this.nameOf(this.self()),
            text,
            cut: false,
            atMs: Date.now(),
            own: true,
            state: 'sending',
        };
    }

    /** Shows the message at once and sends it; a failure leaves it in the list with a way to send it again. */
    async send(text: string, to = ''): Promise<void> {
        const clean = receiveText(text.trim());
        if (clean.text === '' || clean.cut) return;
        const message = this.mine(to, clean.text);
        this.add(message);
        await this.transmit(message);
    }

    /** Encrypts, sends the ciphertext to the server, then its key to whom it is for. */
    async sendFile(source: File, to = ''): Promise<void> {
        const file: ChatFile = {
            name: fileName(source.name),
            lengthBytes: source.size,
            progress: signal(undefined),
            failure: signal(undefined),
            source,
        };
        const message = { ...this.mine(to, ''), file };
        this.add(message);
        await this.transmit(message);
    }

    /** Fetches and opens the file of a message; undefined when it failed, which the message then tells. */
    async fetch(file: ChatFile): Promise<Blob | undefined> {
        if (!file.sealed || file.progress.peek() !== undefined) return undefined;
        file.failure.value = undefined;
        file.progress.value = 0;
        try {
            return await downloadFile(this.place, file.sealed, (share) => {
                file.progress.value = share;
            });
        } catch (error) {
            file.failure.value = error instanceof FileFailure ? error.code : 'network';
            return undefined;
        } finally {
            file.progress.value = undefined;
        }
    }

    async retry(message: ChatMessage): Promise<void> {
        this.setState(message.id, 'sending');
        await this.transmit(message);
    }

    /** From the group. */
    received(from: string, toUs: boolean, atMs: number, id: string, text: string): void {
        const { text: shown, cut } = receiveText(text);
        if (shown.trim() !== '') this.take(from, toUs, atMs, id, { text: shown, cut });
    }

    receivedFile(from: string, toUs: boolean, atMs: number, sealed: SealedFile): void {
        const file: ChatFile = {
            name: fileName(sealed.name),
            lengthBytes: sealed.lengthBytes,
            progress: signal(undefined),
            failure: signal(undefined),
            sealed,
        };
        this.take(from, toUs, atMs, `file-${sealed.id}`, { text: '', cut: false, file });
    }

    private take(
        from: string,
        toUs: boolean,
        atMs: number,
        id: string,
        content: Pick<ChatMessage, 'text' | 'cut' | 'file'>,
    ): void {
        // The id is the sender's: whoever takes another's cannot replace a message with it.
        const key = `${from}:${id}`;
        if (this.list.peek().some((m) => m.id === key)) return;
        const now = Date.now();
        const message: ChatMessage = {
            ...content,
            id: key,
            from,
            to: toUs ? this.self() : '',
            toName: '',
            name: this.nameOf(from),
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
            if (message.file) await this.transmitFile(message.file, message.to);
            else await this.secure.chat(message.to, message.id, message.text);
            this.setState(message.id, 'sent');
        } catch {
            this.setState(message.id, 'failed');
        }
    }

    private async transmitFile(file: ChatFile, to: string): Promise<void> {
        if (!file.source) return;
        file.failure.value = undefined;
        file.progress.value = 0;
        try {
            const sealing = 0.2; // of the way, about
            const { ciphertext, key, sha256 } = await sealFile(file.source, (share) => {
                file.progress.value = sealing * share;
            });
            const id = await uploadFile(this.place, ciphertext, (share) => {
                file.progress.value = sealing + (1 - sealing) * share;
            });
            const sealed = { id, name: file.name, lengthBytes: file.lengthBytes, key, sha256 };
            try {
                await this.secure.shareFile(to, sealed);
            } catch (error) {
                // without its key nobody can ever open it
                void deleteFile(this.place, id);
                throw error;
            }
            file.sealed = sealed;
            delete file.source;
        } catch (error) {
            file.failure.value = error instanceof FileFailure ? error.code : 'network';
            throw error;
        } finally {
            file.progress.value = undefined;
        }
    }

    private add(message: ChatMessage): void {
        this.list.value = [...this.list.peek(), message].slice(-CHAT_KEPT_MAX);
    }

    private setState(id: string, state: ChatState): void {
        this.list.value = this.list.peek().map((m) => (m.id === id ? { ...m, state } : m));
    }
}
