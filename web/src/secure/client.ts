// The page's side of the worker: what it says becomes signals and calls (types.ts).
import { batch, signal } from '@preact/signals';
import { suiteName } from './link';
import { FrameManager } from './manager';
import type { CallName, Ended, FrameCounts, FromWorker, ToWorker } from './messages';
import type {
    Alarm, AlarmKind, Change, SealedFile, Secure, SecureConfig, SecureListener, SecurePerson, SecureState, SecurityCode,
} from './types';

declare const CONCLAVE_WORKER: string;

const ENTER_TIMEOUT_MS = 25_000;
/** Longer than a way back into the group takes; the media's attempt after it is refused, and made again. */
const IN_WITHIN_MS = 3000;
const ALARMS_KEPT_MAX = 100;
/** About what is done to a group, for those who are in it. */
const FOR_MEMBERS: ReadonlySet<AlarmKind> = new Set(['add', 'remove', 'roles', 'identity', 'commit', 'order', 'from', 'content', 'withheld']);

let warm: Worker | undefined;

/** Starts loading the module, so that it is there when Join is pressed. */
export function warmUp(): void {
    warm ??= new Worker(CONCLAVE_WORKER, { name: 'conclave' });
}

function takeWorker(): Worker {
    warmUp();
    const worker = warm!;
    warm = undefined;
    return worker;
}

class Client implements Secure {
    readonly suite: number;
    readonly suiteName: string;
    readonly bundleSha256: string;
    readonly state = signal<SecureState>('connecting');
    readonly epoch = signal(0n);
    readonly code = signal<SecurityCode | undefined>(undefined);
    readonly people = signal<ReadonlyMap<string, SecurePerson>>(new Map());
    readonly title = signal('');
    readonly history = signal<readonly Change[]>([]);
    readonly alarms = signal<readonly Alarm[]>([]);
    readonly undecryptable = signal<ReadonlySet<string>>(new Set());
    readonly openedTracks = signal<ReadonlySet<string>>(new Set());
    readonly manager: FrameManager;
    /** Of frames; for whoever looks for a fault. */
    counts: FrameCounts | undefined;

    private readonly worker = takeWorker();
    private readonly calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
    private nextCall = 1;
    private entering: { resolve(): void; reject(error: Error): void } | undefined;
    private ended = false;
    private hasBeenIn = false;
    private readonly meddling = new Set<string>();
    private token: string;
    private name: string;

    constructor(
        private readonly config: SecureConfig,
        private readonly listener: SecureListener,
        private readonly secretAgain: () => Uint8Array | undefined,
    ) {
        this.suite = config.suite;
        this.suiteName = suiteName(config.suite);
        this.bundleSha256 = config.bundleSha256;
        this.token = config.token;
        this.name = config.name;
        this.manager = new FrameManager(
            this.worker,
            (message) => this.post(message),
            (trackId) => this.closeTrack(trackId),
            () => this.whenIn(),
            config,
            (what) => this.meddled(what),
        );
        this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.receive(data);
        this.worker.onerror = () => this.end('lost');
    }

    private post(message: ToWorker, transfer: Transferable[] = []): void {
        this.worker.postMessage(message, transfer);
    }

    enter(): Promise<void> {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => this.end('lost'), ENTER_TIMEOUT_MS);
            this.entering = {
                resolve: () => {
                    clearTimeout(timer);
                    resolve();
                },
                reject: (error) => {
                    clearTimeout(timer);
                    reject(error);
                },
            };
            this.sendSecret(this.config.linkSecret);
        });
    }

    private sendSecret(linkSecret: Uint8Array): void {
        const copy = linkSecret.slice();
        linkSecret.fill(0);
        const config = { ...this.config, token: this.token, name: this.name, linkSecret: copy };
        this.post({ kind: 'enter', config }, [copy.buffer]);
    }

    leave(): void {
        if (this.ended) return;
        this.ended = true;
        this.entering?.reject(new Error('left'));
        this.entering = undefined;
        this.post({ kind: 'leave' });
        this.stop('left');
    }

    updateToken(token: string): void {
        this.token = token;
        this.post({ kind: 'token', token });
    }

    hurry(): void {
        this.post({ kind: 'hurry' });
    }

    private end(reason: Ended): void {
        if (this.ended) return;
        this.ended = true;
        const entering = this.entering;
        this.entering = undefined;
        this.stop(reason);
        if (entering) entering.reject(new Error(reason));
        else this.listener.ended(reason);
    }

    private stop(reason: Ended): void {
        batch(() => {
            this.state.value = 'over';
            this.openedTracks.value = new Set();
        });
        for (const call of this.calls.values()) call.reject(new Error(reason));
        this.calls.clear();
        // The word of farewell is on its way; then nothing is left of the keys.
        setTimeout(() => this.worker.terminate(), 1000);
    }

    private receive(message: FromWorker): void {
        if (message.kind === 'answer') {
            const call = this.calls.get(message.call);
            this.calls.delete(message.call);
            if (message.error === undefined) call?.resolve(message.value);
            else call?.reject(new Error(message.error));
            return;
        }
        if (this.ended) return;
        switch (message.kind) {
            case 'state':
                this.state.value = message.state;
                if (message.state === 'in') this.hasBeenIn = true;
                this.enteredIfReady();
                break;
            case 'view':
                batch(() => {
                    this.epoch.value = message.view.epoch;
                    this.code.value = message.view.code;
                    this.people.value = new Map(message.view.people.map((person) => [person.identity, person]));
                    this.title.value = message.view.title;
                    this.history.value = message.view.history;
                });
                this.enteredIfReady();
                break;
            case 'chat':
                this.listener.chat(message.from, message.private, message.atMs, message.id, message.text);
                break;
            case 'reaction':
                this.listener.reaction(message.from, message.emoji);
                break;
            case 'file':
                this.listener.file(message.from, message.private, message.atMs, message.file);
                break;
            case 'alarm':
                this.alarm(message.alarm);
                break;
            case 'opened':
                this.openedTracks.value = new Set([...this.openedTracks.peek(), message.trackId]);
                break;
            case 'failing':
                this.counts = message.counts;
                this.undecryptable.value = new Set(message.identities);
                break;
            case 'again': {
                const secret = this.secretAgain();
                if (secret) this.sendSecret(secret);
                else this.end('lost');
                break;
            }
            case 'ended':
                this.end(message.reason);
                break;
        }
    }

    private alarm(alarm: Alarm): void {
        // While entering, a wrong key of ours makes everybody look like a stranger: that is ours, and the page that follows says so.
        if (!this.hasBeenIn && FOR_MEMBERS.has(alarm.kind)) return;
        this.alarms.value = [...this.alarms.peek(), alarm].slice(-ALARMS_KEPT_MAX);
        this.listener.alarm(alarm);
    }

    /** Told once for each kind: who tries it, tries it often. */
    private meddled(what: string): void {
        if (this.ended || this.meddling.has(what)) return;
        this.meddling.add(what);
        this.alarm({ kind: 'meddling', identity: '', atMs: Date.now() });
    }

    /** In the group, and with its people known, so that nobody is shown without a name that has come. */
    private enteredIfReady(): void {
        if (!this.entering || this.state.peek() !== 'in' || this.people.peek().size === 0) return;
        this.entering.resolve();
        this.entering = undefined;
    }

    private whenIn(): Promise<void> {
        return new Promise((resolve) => {
            const timer = setTimeout(() => done(), IN_WITHIN_MS);
            const stop = this.state.subscribe((state) => {
                if (state === 'in' || state === 'over') queueMicrotask(() => done());
            });
            const done = (): void => {
                clearTimeout(timer);
                stop();
                resolve();
            };
        });
    }

    private closeTrack(trackId: string): void {
        if (!this.openedTracks.peek().has(trackId)) return;
        const rest = new Set(this.openedTracks.peek());
        rest.delete(trackId);
        this.openedTracks.value = rest;
    }

    private ask(name: CallName, ...args: unknown[]): Promise<unknown> {
        if (this.ended) return Promise.reject(new Error('not in the meeting'));
        const call = this.nextCall++;
        return new Promise((resolve, reject) => {
            this.calls.set(call, { resolve, reject });
            this.post({ kind: 'call', call, name, args });
        });
    }

    private async do(name: CallName, ...args: unknown[]): Promise<void> {
        await this.ask(name, ...args);
    }

    chat(to: string, id: string, text: string): Promise<void> {
        return this.do('chat', to, id, text);
    }

    react(emoji: string): Promise<void> {
        return this.do('react', emoji);
    }

    hand(raised: boolean): Promise<void> {
        return this.do('hand', raised);
    }

    async rename(name: string): Promise<void> {
        await this.do('rename', name);
        this.name = name;
    }

    setTitle(text: string): Promise<void> {
        return this.do('setTitle', text);
    }

    remove(identity: string): Promise<void> {
        return this.do('remove', identity);
    }

    makeHost(identity: string): Promise<void> {
        return this.do('makeHost', identity);
    }

    shareFile(to: string, file: SealedFile): Promise<void> {
        return this.do('shareFile', to, file);
    }

    async pairCode(identity: string): Promise<SecurityCode | undefined> {
        return (await this.ask('pairCode', identity)) as SecurityCode | undefined;
    }

    markVerified(identity: string, verified: boolean, digits?: string): Promise<void> {
        return this.do('markVerified', identity, verified, digits);
    }
}

/** `secretAgain` answers the link's secret once more, when the server was restarted and the group has to be made anew. */
export function openSecure(
    config: SecureConfig,
    listener: SecureListener,
    secretAgain: () => Uint8Array | undefined,
): Secure {
    return new Client(config, listener, secretAgain);
}
