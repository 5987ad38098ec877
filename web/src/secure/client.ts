// The page's side of the worker: what it says becomes signals and calls (types.ts).
import { batch, signal } from '@preact/signals';
import { suiteName, wipeLink } from './link';
import { FrameManager } from './manager';
import type { CallName, Ended, FrameCounts, FromWorker, ToWorker } from './messages';
import type {
    Alarm, AlarmKind, Change, SealedFile, Secure, SecureConfig, SecureListener, SecurePerson, SecureState, SecurityCode,
} from './types';
import { takeWorker } from './warm';

const ENTER_TIMEOUT_MS = 25_000;
/** Longer than a way back into the group takes; the media's attempt after it is refused, and made again. */
const IN_WITHIN_MS = 3000;
const ALARMS_KEPT_MAX = 100;
/** About what is done to a group, for those who are in it. */
const FOR_MEMBERS: ReadonlySet<AlarmKind> = new Set(['add', 'remove', 'roles', 'identity', 'commit', 'order', 'from', 'content', 'withheld']);

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
    readonly confirmed = signal(true);
    readonly waiting = signal(false);
    identity = '';
    token = '';
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
    private name: string;

    constructor(
        private readonly config: SecureConfig,
        private readonly listener: SecureListener,
        private readonly again: () => Entry | undefined,
    ) {
        this.suite = config.link.suite;
        this.suiteName = suiteName(config.link.suite);
        this.bundleSha256 = config.bundleSha256;
        this.name = config.name;
        this.manager = new FrameManager(
            this.worker,
            (message) => this.post(message),
            (trackId) => this.closeTrack(trackId),
            () => this.whenIn(),
            this,
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
            // While we wait for our turn it is the server that lets nobody wait for ever; whoever has enough goes to another page.
            const late = (): void => {
                if (this.waiting.peek()) timer = setTimeout(late, ENTER_TIMEOUT_MS);
                else this.end('lost');
            };
            let timer = setTimeout(late, ENTER_TIMEOUT_MS);
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
            this.sendEntry(this.config);
        });
    }

    /** The secrets go to the worker; what is left here of them is wiped. */
    private sendEntry({ link, seat }: Entry): void {
        const config = { ...this.config, name: this.name, link: structuredClone(link), seat: seat.slice() };
        wipeLink(link);
        seat.fill(0);
        this.post({ kind: 'enter', config });
        wipeLink(config.link);
        config.seat.fill(0);
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
            this.waiting.value = false;
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
                this.waiting.value = message.state === 'waiting' && this.token !== '';
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
            case 'token':
                this.token = message.token;
                this.identity = message.identity;
                this.waiting.value = this.state.peek() === 'waiting';
                break;
            case 'clock':
                this.listener.clock(message.offSeconds);
                break;
            case 'confirmed':
                this.confirmed.value = message.confirmed;
                break;
            case 'withdrawn':
                this.listener.withdrawn(message.from);
                break;
            case 'closing':
                this.listener.closing(message.withinSeconds);
                break;
            case 'removal':
                this.listener.removal(message.identity, message.state);
                break;
            case 'opened':
                this.openedTracks.value = new Set([...this.openedTracks.peek(), message.trackId]);
                break;
            case 'failing':
                this.counts = message.counts;
                this.undecryptable.value = new Set(message.identities);
                break;
            case 'again': {
                const entry = this.again();
                if (entry) this.sendEntry(entry);
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

    tellCompared(differs: boolean): Promise<void> {
        return this.do('tellCompared', differs);
    }
}

/** What lets us in: the link, and the seat that we had before. */
export type Entry = Pick<SecureConfig, 'link' | 'seat'>;

/** `again` answers the same once more, when the group did without us and we have to enter anew. */
export function openSecure(
    config: SecureConfig,
    listener: SecureListener,
    again: () => Entry | undefined,
): Secure {
    return new Client(config, listener, again);
}
