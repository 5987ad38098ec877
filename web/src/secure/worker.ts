// The worker of a meeting: it has the WebAssembly module, all keys, the connection to the group's delivery service, and every media
// frame. The page tells it which track is whose and shows what it says.
import { Module } from '../../e2ee/module';
import { nobleAead } from '../../e2ee/noble_aead';
import { boundedBody, boundedMessage, FETCH_LEN_MAX } from './bounded';
import { FramePipes, type Transformer } from './frame_pipes';
import { wipeLink } from './link';
import type { CallName, Ended, FromWorker, LinkQuestion, ToWorker, TransformOptions } from './messages';
import { Stay, toHex, type Output } from './stay';
import type { SealedFile, SecureConfig } from './types';

declare const CONCLAVE_WASM: string;
declare const CONCLAVE_VERSION: string;

interface Scope {
    postMessage(message: FromWorker): void;
    onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
    onrtctransform: ((event: { transformer: Transformer & { readable: ReadableStream; writable: WritableStream; options: TransformOptions } }) => void) | null;
    close(): void;
}

const scope = self as unknown as Scope;
const tell = (message: FromWorker): void => scope.postMessage(message);

const CLOSE_REPLACED = 4001;
const GONE: readonly Ended[] = ['left', 'removed', 'over', 'late', 'full', 'refused'];
const GONE_OVER = 2;
const GONE_LATE = 3;
const GONE_CANNOT_FOLLOW = 9;
/** member.h: close code 4005, the one answer to a link that opens nothing here. */
const GONE_NO_ENTRY = 32;
/** What one hears who was away while the meeting went on, or while the server was started again. */
const WITHOUT_US: ReadonlySet<number> = new Set([GONE_NO_ENTRY, GONE_OVER, GONE_CANNOT_FOLLOW]);
/** The group's own rule lets seconds pass between attempts; a person waits for the picture meanwhile. */
const RETRY_MAX_MS = 2000;
const VIEW_EVERY_MS = 40;
const LOOK_EVERY_MS = 1000;
const STEP_EVERY_MS = 250;
const ENTER_TRIES_MAX = 3;
const FETCH_TIMEOUT_MS = 10_000;
/** People who come at once are told about our tracks once. */
const ANNOUNCE_EVERY_MS = 400;

const loading: Promise<Module> = fetch(CONCLAVE_WASM)
    .then((reply) => (reply.ok ? reply.arrayBuffer() : Promise.reject(new Error(`no module: ${reply.status}`))))
    .then((code) => Module.load(code, { aead: nobleAead }));

class Meeting {
    private stay: Stay | undefined;
    readonly pipes: FramePipes;
    private place: Pick<SecureConfig, 'url' | 'meetingId'> | undefined;
    private token = '';
    private socket: WebSocket | undefined;
    private lastClose = 0;
    private tries = 0;
    private isIn = false;
    /** Of the present connection: the server took us as one who belongs. */
    private resumed = false;
    private over = false;
    private came = false;
    private readonly told = new Set<number>();
    private announceAtMs = 0;
    private announceTimer: ReturnType<typeof setTimeout> | undefined;
    private tickTimer: ReturnType<typeof setTimeout> | undefined;
    private retryTimer: ReturnType<typeof setTimeout> | undefined;
    private viewTimer: ReturnType<typeof setTimeout> | undefined;
    private failingShown = '';

    constructor(private readonly module: Module) {
        this.pipes = new FramePipes(module, { opened: (trackId) => tell({ kind: 'opened', trackId }) });
        setInterval(() => this.pipes.step(), STEP_EVERY_MS);
        setInterval(() => this.look(), LOOK_EVERY_MS);
    }

    enter(config: SecureConfig): void {
        const { url, meetingId } = config;
        this.place = { url, meetingId };
        this.token = '';
        this.stay?.free();
        this.stay = undefined;
        this.isIn = false;
        this.resumed = false;
        this.told.clear();
        this.known.clear();
        this.pipes.reset();
        try {
            this.stay = Stay.create(this.module, { ...config, software: `conclave-web ${CONCLAVE_VERSION}` });
        } finally {
            wipeLink(config.link);
            config.seat.fill(0);
        }
        this.connect();
    }

    setToken(token: string): void {
        this.token = token;
    }

    // ---- the connection ----

    private connect(): void {
        clearTimeout(this.retryTimer);
        this.retryTimer = undefined;
        if (!this.place || this.over || this.socket) return;
        const socket = new WebSocket(`${this.place.url}/mls/v2/${encodeURIComponent(this.place.meetingId)}`);
        this.socket = socket;
        socket.binaryType = 'arraybuffer';
        let opened = false;
        socket.onopen = () => {
            opened = true;
            this.resumed = false;
            this.act((stay) => stay.connected());
        };
        socket.onmessage = ({ data }) => {
            if (data instanceof ArrayBuffer) this.act((stay) => stay.input(boundedMessage(data)));
        };
        socket.onclose = ({ code }) => {
            if (this.socket !== socket) return;
            this.socket = undefined;
            this.lastClose = code;
            if (opened) this.act((stay) => stay.lost(code));
            else this.retry(RETRY_MAX_MS / 2);
        };
    }

    private disconnect(): void {
        const socket = this.socket;
        this.socket = undefined;
        socket?.close();
    }

    private retry(delayMs: number): void {
        clearTimeout(this.retryTimer);
        if (!this.over) this.retryTimer = setTimeout(() => this.connect(), Math.min(delayMs, RETRY_MAX_MS));
    }

    hurry(): void {
        if (this.retryTimer !== undefined) this.connect();
    }

    private async fetch(asking: Stay, ticket: number, path: string): Promise<void> {
        let body = new Uint8Array(0);
        const { url, meetingId } = this.place!;
        try {
            const address = `${url.replace(/^ws/, 'http')}/api/v2/meetings/${encodeURIComponent(meetingId)}/${path}`;
            const reply = await fetch(address, {
                headers: { Authorization: `Bearer ${this.token}` },
                signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
            });
            if (reply.ok) body = await boundedBody(reply, FETCH_LEN_MAX);
        } catch {
            // An empty body says so.
        }
        // A stay that began anew meanwhile counts its tickets anew, too.
        if (this.stay === asking) this.act((stay) => stay.fetched(ticket, body));
    }

    // ---- the group ----

    /** Every call that may cause outputs goes through here. */
    private act(work: (stay: Stay) => void): void {
        const stay = this.stay;
        if (!stay || this.over) return;
        work(stay);
        for (let output = stay.poll(); output; output = stay.poll()) {
            try {
                this.take(stay, output);
            } finally {
                if (output.type === 'keys') output.bytes.fill(0);
            }
            if (this.stay !== stay) return;
        }
        this.planTick(stay);
    }

    private planTick(stay: Stay): void {
        clearTimeout(this.tickTimer);
        const ms = stay.untilTickMs();
        if (ms !== undefined) this.tickTimer = setTimeout(() => this.act((s) => s.tick()), ms);
    }

    private take(stay: Stay, output: Output): void {
        const from = output.identity;
        switch (output.type) {
            case 'send':
                if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(output.bytes);
                break;
            case 'fetch':
                void this.fetch(stay, output.ticket, output.text);
                break;
            case 'connect':
                this.disconnect();
                this.retry(output.delayMs);
                break;
            case 'state':
                this.stateChanged(output.state);
                break;
            case 'keys':
                this.resumed = true;
                this.pipes.install(output.epoch, output.ownLeaf, output.bytes);
                break;
            case 'keys_drop':
                this.pipes.drop(output.epoch);
                break;
            case 'token':
                this.token = output.text;
                tell({ kind: 'token', token: output.text, identity: stay.identity });
                break;
            case 'withdrawn':
                tell({ kind: 'withdrawn', from });
                break;
            case 'confirmed':
                tell({ kind: 'confirmed', confirmed: output.flag });
                break;
            case 'clock':
                tell({ kind: 'clock', offSeconds: output.offSeconds });
                break;
            case 'closing':
                tell({ kind: 'closing', withinSeconds: output.number });
                break;
            case 'switch':
                this.pipes.switchTo(output.epoch);
                if (this.came) this.pipes.makeKeyFrames();
                this.came = false;
                break;
            case 'removed':
                this.pipes.gone(from);
                break;
            case 'epoch':
            case 'roster':
            case 'title':
            case 'disputed':
                this.rosterChanged(stay);
                break;
            case 'chat':
                tell({ kind: 'chat', from, private: output.private, atMs: output.atMs, id: toHex(output.id), text: output.text });
                break;
            case 'reaction':
                tell({ kind: 'reaction', from, emoji: output.text });
                break;
            case 'file':
                tell({ kind: 'file', from, private: output.private, atMs: output.atMs, file: output.file });
                break;
            case 'track':
                this.pipes.announced(from, output.context, output.source);
                break;
            case 'alarm':
                tell({ kind: 'alarm', alarm: { kind: output.alarm, identity: from, atMs: Date.now() } });
                break;
            case 'removal':
                tell({ kind: 'removal', identity: from, state: output.removal });
                break;
            case 'ended':
                this.ended(output.gone);
                break;
        }
    }

    private stateChanged(state: Output['state']): void {
        if (state === 'in') {
            this.isIn = true;
            this.resumed = true;
            this.tries = 0;
            this.announce(true);
        }
        // An end is told with its reason; a stay that begins anew is no end.
        if (state !== 'over') tell({ kind: 'state', state });
    }

    /** Since when those are here whom we have told of our tracks. */
    private known = new Map<string, bigint>();

    private rosterChanged(stay: Stay): void {
        const people = stay.people();
        this.pipes.setLeaves(people.map((p) => [p.identity, p.leaf]));
        const now = new Map(people.map((p) => [p.identity, p.sinceEpoch]));
        for (const [identity, since] of now) if (this.known.get(identity) !== since) this.came = true;
        if (this.came) this.announce(true);
        this.known = now;
        this.viewTimer ??= setTimeout(() => this.showView(), VIEW_EVERY_MS);
    }

    private showView(): void {
        this.viewTimer = undefined;
        const stay = this.stay;
        if (!stay || this.over) return;
        tell({
            kind: 'view',
            view: { epoch: stay.epoch, code: stay.code(), people: stay.people(), title: stay.title, history: stay.history() },
        });
    }

    private ended(gone: number): void {
        // The group did without us for a while, or nobody could state it to a server that was started again: the seat is ours, and we
        // come in again by ourselves. A seat that somebody removed opens nothing, and the page says so.
        const forgotten = WITHOUT_US.has(gone) && this.isIn && !this.resumed;
        const late = gone === GONE_LATE && !this.isIn;
        if ((forgotten || late) && this.tries < ENTER_TRIES_MAX) {
            this.tries++;
            this.disconnect();
            tell({ kind: 'state', state: 'away' });
            tell({ kind: 'again' });
            return;
        }
        if (gone === GONE_NO_ENTRY) this.finish('no_entry');
        else if (gone === GONE_CANNOT_FOLLOW) this.finish('cannot_follow');
        else this.finish(gone === 0 && this.lastClose === CLOSE_REPLACED ? 'elsewhere' : (GONE[gone] ?? 'refused'));
    }

    finish(reason: Ended): void {
        if (this.over) return;
        this.over = true;
        clearTimeout(this.tickTimer);
        clearTimeout(this.retryTimer);
        this.stay?.free();
        this.stay = undefined;
        this.pipes.reset();
        this.disconnect();
        tell({ kind: 'ended', reason });
    }

    leave(): void {
        this.act((stay) => stay.leave());
        this.finish('left');
    }

    // ---- tracks ----

    trackChanged(): void {
        this.announce();
    }

    /** What our frame contexts mean: before the first frame, and again when somebody came who was not told. */
    private announce(again = false): void {
        const now = performance.now();
        if (again) {
            this.told.clear();
            if (now < this.announceAtMs) {
                this.announceTimer ??= setTimeout(() => {
                    this.announceTimer = undefined;
                    this.announce();
                }, this.announceAtMs - now);
                return;
            }
            this.announceAtMs = now + ANNOUNCE_EVERY_MS;
        }
        for (const [source, mimeType] of this.pipes.sentSources()) {
            if (this.told.has(source)) continue;
            this.told.add(source);
            // Not within the drain of outputs, which this may be called from.
            queueMicrotask(() =>
                this.act((stay) => {
                    try {
                        stay.track(source - 1, source, mimeType.replace(/^.*\//, ''));
                    } catch {
                        this.told.delete(source); // not in: told when we are
                    }
                }),
            );
        }
    }

    private look(): void {
        const identities = this.pipes.failing(performance.now()).sort();
        if (identities.join() === this.failingShown) return;
        this.failingShown = identities.join();
        tell({ kind: 'failing', identities, counts: this.pipes.counts });
    }

    // ---- what the person does ----

    call(name: CallName, args: unknown[]): unknown {
        let value: unknown;
        if (!this.stay || this.over) throw new Error('not in the meeting');
        this.act((stay) => {
            switch (name) {
                case 'chat':
                    return stay.chat(...(args as [string, string, string]));
                case 'react':
                    return stay.react(args[0] as string);
                case 'hand':
                    return stay.hand(args[0] as boolean);
                case 'rename':
                    return stay.rename(args[0] as string);
                case 'setTitle':
                    return stay.setTitle(args[0] as string);
                case 'remove':
                    return stay.remove(args[0] as string);
                case 'makeHost':
                    return stay.makeHost(args[0] as string);
                case 'shareFile':
                    return stay.shareFile(...(args as [string, SealedFile]));
                case 'markVerified':
                    return stay.markVerified(...(args as [string, boolean]));
                case 'tellCompared':
                    return stay.tellCompared(args[0] as boolean);
                case 'pairCode':
                    value = stay.pairCode(args[0] as string);
                    return undefined;
            }
        });
        return value;
    }
}

const ready = loading.then((module) => new Meeting(module));
ready.catch(() => tell({ kind: 'ended', reason: 'lost' }));

scope.onrtctransform = ({ transformer }) => {
    const { readable, writable, options } = transformer;
    void ready.then(({ pipes }) => pipes.run(options, readable, writable, transformer));
};

// In order: what comes before the module is there waits for it.
let queue: Promise<unknown> = ready.catch(() => undefined);
scope.onmessage = ({ data }) => {
    queue = queue.then(async () => receive(await ready, data)).catch((error: unknown) => console.error(error));
};

const utf8 = new TextEncoder();

/** What follows from keys of links; the module has the primitives in every browser. */
async function answerLink(question: LinkQuestion, port: MessagePort): Promise<void> {
    const module = await loading;
    try {
        if (question.ask === 'public') {
            module.mls('link_key', question.secret);
            const linkKey = module.result();
            module.mls('link_public', question.ownerSeed);
            port.postMessage({ linkKey, owner: module.result() });
        } else {
            const { id, secret, owner, operator, suite, kind } = question;
            port.postMessage(module.number('link_is_of', utf8.encode(id), secret, owner, operator, suite, kind) === 1);
        }
    } finally {
        question.secret.fill(0);
        if (question.ask === 'public') question.ownerSeed.fill(0);
        module.forget();
    }
}

function receive(meeting: Meeting, message: ToWorker): void {
    switch (message.kind) {
        case 'enter':
            meeting.enter(message.config);
            break;
        case 'link':
            void answerLink(message.question, message.port);
            break;
        case 'token':
            meeting.setToken(message.token);
            break;
        case 'hurry':
            meeting.hurry();
            break;
        case 'leave':
            meeting.leave();
            break;
        case 'streams':
            void meeting.pipes.run(message.options, message.readable, message.writable);
            break;
        case 'track':
            meeting.pipes.setTrack(
                message.id, message.opening, message.identity, message.source, message.trackId, message.mimeType,
            );
            meeting.trackChanged();
            break;
        case 'codecs':
            meeting.pipes.setSendTypes(message.types);
            break;
        case 'call':
            try {
                tell({ kind: 'answer', call: message.call, value: meeting.call(message.name, message.args) });
            } catch (error) {
                tell({ kind: 'answer', call: message.call, error: error instanceof Error ? error.message : String(error) });
            }
            break;
    }
}
