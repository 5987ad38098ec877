// One stay in one meeting: makes the room, connects it, and holds its state until the person leaves or is put out.
//
// `createRoom` is the only place where a Room is made, so whatever every meeting must have, such as encryption of all
// media, is set there and nowhere else.
import { signal, type ReadonlySignal } from '@preact/signals';
import { Room, RoomEvent, setLogLevel, type RoomOptions } from 'livekit-client';
import { settings } from '../app/settings';
import type { DeviceProblem } from '../devices/errors';
import { cameraConstraints, micConstraints } from '../devices/media';
import type { TakenTracks } from '../devices/preview';
import { t } from '../i18n';
import { openSecure, type Entry } from '../secure/client';
import type { RemovalState, Secure, SecureConfig } from '../secure/types';
import { Chat, type ChatMessage } from './chat';
import { LocalMedia, sentCodec } from './local_media';
import { endReason, secureEnd, SecureFailure, type EndReason } from './reasons';
import { Roster, type Person } from './roster';
import { SecurityWatch } from './security_watch';

export type Link = 'connecting' | 'connected' | 'reconnecting' | 'ended';

export interface SessionListener {
    ended(reason: EndReason): void;
    problem(problem: DeviceProblem): void;
    note(text: string, urgent?: boolean): void;
}

/** Above this, notes about people who come and go would be noise. */
const ANNOUNCE_MAX_PEOPLE = 12;
const CONNECT_TIMEOUT_MS = 15_000;
const CATCH_UP_MS = 100;
/** Browsers count the milliseconds of a timer in 31 bits. */
const TIMER_MAX_S = 2_000_000;

setLogLevel('warn');

export function createRoom(secure: Secure): Room {
    const { micId, cameraId, speakerId } = settings.peek();
    const options: RoomOptions = {
        adaptiveStream: true,
        dynacast: true,
        encryption: { e2eeManager: secure.manager },
        // A backup codec would be a second track that the others know nothing of.
        publishDefaults: { videoCodec: sentCodec(), backupCodec: false, red: false },
        disconnectOnPageLeave: true,
        audioCaptureDefaults: micConstraints(micId),
        videoCaptureDefaults: {
            ...(cameraId === ''
                ? { facingMode: 'user' }
                : { deviceId: cameraConstraints(cameraId).deviceId ?? cameraId }),
            resolution: { width: 1280, height: 720, frameRate: 30 },
        },
        ...(speakerId === '' ? {} : { audioOutput: { deviceId: speakerId } }),
    };
    const room = new Room(options);
    // Before anything is published: it says so to the server with each track.
    void room.setE2EEEnabled(true);
    return room;
}

export class Session {
    readonly room: Room;
    readonly secure: Secure;
    readonly roster: Roster;
    readonly security: SecurityWatch;
    readonly media: LocalMedia;
    readonly chat: Chat;
    private readonly state = signal<Link>('connecting');
    private readonly playback = signal(true);
    private readonly down = signal(false);
    private readonly stops = signal<number | undefined>(undefined);
    private readonly clock = signal(0);
    /** Called for each message of somebody else; the screen decides whether it needs a note. */
    onMessage: (message: ChatMessage) => void = () => undefined;
    private leaving = false;
    private stopsTimer: ReturnType<typeof setTimeout> | undefined;
    private wakeLock: WakeLockSentinel | undefined;
    private readonly onVisible = (): void => void this.keepAwake();

    readonly link: ReadonlySignal<Link> = this.state;
    /** The server said that it goes down, and is not back yet. */
    readonly serverDown: ReadonlySignal<boolean> = this.down;
    /** When the server will have gone (Date.now()), if it said so. */
    readonly stopsAtMs: ReadonlySignal<number | undefined> = this.stops;
    /** By how many seconds the clock of this device is ahead of the server's (behind: negative); 0: by nothing to speak of. */
    readonly clockOffSeconds: ReadonlySignal<number> = this.clock;
    /** False while the browser holds sound back until a click. */
    readonly canPlay: ReadonlySignal<boolean> = this.playback;

    /** `again`: openSecure. */
    constructor(
        private readonly config: SecureConfig,
        again: () => Entry | undefined,
        private readonly listener: SessionListener,
        open = openSecure,
    ) {
        this.secure = open(
            config,
            {
                chat: (from, toUs, atMs, id, text) => this.chat.received(from, toUs, atMs, id, text),
                reaction: (from, emoji) => this.roster.find(from)?.react(emoji),
                file: (from, toUs, atMs, file) => this.chat.receivedFile(from, toUs, atMs, file),
                alarm: (alarm) => this.listener.note(t.security.alarm[alarm.kind], true),
                ended: (reason) => this.finish(secureEnd(reason)),
                clock: (offSeconds) => {
                    this.clock.value = offSeconds;
                },
                withdrawn: (from) => this.listener.note(t.security.withdrawn(this.nameOf(from))),
                closing: (withinSeconds) => this.closing(withinSeconds),
                removal: (identity, state) => this.removal(identity, state),
            },
            again,
        );
        const room = createRoom(this.secure);
        this.room = room;
        this.media = new LocalMedia(room, listener);
        this.roster = new Roster(room, this.secure, this.media, {
            joined: (person) => this.announce(person, t.meeting.joined),
            left: (person) => this.announce(person, t.meeting.left),
            shareStarted: (person) => listener.note(t.meeting.shareStarted(person.name.peek())),
        });
        this.security = new SecurityWatch(this.secure, this.roster.outsiders, (text, urgent) => listener.note(text, urgent));
        this.chat = new Chat(
            this.secure,
            { meetingId: config.meetingId, token: () => this.secure.token },
            () => this.secure.identity,
            (identity) => this.nameOf(identity),
            (message) => this.onMessage(message),
        );
        room.on(RoomEvent.SignalReconnecting, () => this.interrupted())
            .on(RoomEvent.Reconnecting, () => this.interrupted())
            .on(RoomEvent.Reconnected, () => this.restored())
            .on(RoomEvent.AudioPlaybackStatusChanged, () => {
                this.playback.value = room.canPlaybackAudio;
            })
            .on(RoomEvent.Disconnected, (reason) => this.finish(endReason(reason, this.leaving)));
    }

    /** Resolves when the person is in the meeting; sound and picture follow. Rejects if it cannot be entered. */
    async connect(taken: TakenTracks): Promise<void> {
        try {
            await this.secure.enter();
        } catch (error) {
            this.finish('lost');
            throw new SecureFailure(error instanceof Error ? error.message : 'lost');
        }
        performance.mark('conclave:entered');
        try {
            await this.room.connect(this.config.url, this.secure.token, {
                autoSubscribe: true,
                // An empty list: no address server is ever asked, and the media goes to the meeting server only.
                rtcConfig: { iceServers: [] },
                websocketTimeout: CONNECT_TIMEOUT_MS,
                peerConnectionTimeout: CONNECT_TIMEOUT_MS,
            });
        } catch (error) {
            this.finish('lost');
            throw error;
        }
        performance.mark('conclave:connected');
        // The group gives one with each connection, which may last longer than that.
        this.room.engine.on('tokenRefreshed', (fresh) => this.secure.updateToken(fresh));
        this.begin();
        void this.media.start(taken);
    }

    /** Takes the state over from a connected room. */
    begin(): void {
        this.chat.late = this.secure.epoch.peek() > 0n;
        this.roster.begin();
        this.state.value = 'connected';
        this.playback.value = this.room.canPlaybackAudio;
        document.addEventListener('visibilitychange', this.onVisible);
        void this.keepAwake();
    }

    /** Ends the stay at once for the person; the network follows in its own time. */
    leave(): void {
        this.leaving = true;
        this.finish('left');
    }

    async startPlayback(): Promise<void> {
        await this.room.startAudio().catch(() => undefined);
        this.playback.value = this.room.canPlaybackAudio;
    }

    private interrupted(): void {
        if (this.state.peek() !== 'connected') return;
        this.roster.hold();
        this.secure.hurry();
        this.state.value = 'reconnecting';
    }

    private restored(): void {
        if (this.state.peek() !== 'reconnecting') return;
        this.state.value = 'connected';
        // it is there again, or another is
        if (this.down.peek()) this.stops.value = undefined;
        this.down.value = false;
        this.roster.release();
        void this.catchUp();
        void this.tellRestored();
    }

    /**
     * livekit-client keeps events back while it works at a reconnection. It does so for up to two seconds after it said that it is
     * reconnected, and would forget those: whoever came back a moment after us would stay unseen.
     */
    private async catchUp(): Promise<void> {
        const room = this.room as unknown as { emitBufferedEvents(): void; engine?: { pendingReconnect: boolean } };
        let waits: boolean;
        do {
            await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS));
            waits = room.engine?.pendingReconnect ?? false;
            if (this.state.peek() === 'connected') room.emitBufferedEvents();
        } while (waits && this.state.peek() === 'connected');
    }

    private async tellRestored(): Promise<void> {
        const hadCamera = this.media.camera.isOn;
        await this.media.restore();
        if (this.state.peek() !== 'connected') return;
        const lostCamera = hadCamera && this.roster.self.peek()?.cameraOn.peek() === false;
        this.listener.note(lostCamera ? t.meeting.reconnectedCameraLost : t.meeting.reconnected);
    }

    private finish(reason: EndReason): void {
        // While connecting, the failure is the caller's to explain.
        if (this.state.peek() === 'ended') return;
        const entered = this.state.peek() !== 'connecting';
        this.state.value = 'ended';
        clearTimeout(this.stopsTimer);
        this.media.close();
        this.roster.close();
        this.security.close();
        this.secure.leave();
        void this.room.disconnect().catch(() => undefined);
        document.removeEventListener('visibilitychange', this.onVisible);
        void this.wakeLock?.release().catch(() => undefined);
        if (entered) this.listener.ended(reason === 'lost' && this.down.peek() ? 'shutdown' : reason);
    }

    private nameOf(identity: string): string {
        return this.roster.find(identity)?.name.peek() ?? t.meeting.unnamed;
    }

    /** The server goes: long before, or at that moment. One that changed its mind says nothing, so its word counts no longer than it was for. */
    private closing(withinSeconds: number): void {
        clearTimeout(this.stopsTimer);
        this.down.value = withinSeconds === 0;
        this.stops.value = withinSeconds === 0 ? undefined : Date.now() + withinSeconds * 1000;
        if (withinSeconds > 0 && withinSeconds < TIMER_MAX_S) this.stopsTimer = setTimeout(() => (this.stops.value = undefined), withinSeconds * 1000);
    }

    /** The person has read that the clock is wrong. */
    clockRead(): void {
        this.clock.value = 0;
    }

    private removal(identity: string, state: RemovalState): void {
        if (state === 'done') this.listener.note(t.meeting.removalDone(this.nameOf(identity)));
        if (state === 'failed') this.listener.note(t.meeting.removalFailed(this.nameOf(identity)), true);
    }

    private announce(person: Person, text: (name: string) => string): void {
        if (this.state.peek() !== 'connected' || this.roster.people.peek().length > ANNOUNCE_MAX_PEOPLE) return;
        this.listener.note(text(person.name.peek()));
    }

    /** A screen that goes dark in the middle of a meeting helps nobody; browsers drop the lock with the tab's focus. */
    private async keepAwake(): Promise<void> {
        if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
        try {
            this.wakeLock = await navigator.wakeLock.request('screen');
        } catch {
            // Low battery or policy: the meeting goes on without.
        }
    }
}
