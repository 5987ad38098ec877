// Who is here and what each person shows: the meeting's state as signals, so that a change redraws only what shows it.
//
// Who is here is who is in the group, whatever list the server gives; names are those that people signed for it. LiveKit's objects add
// their media. A track of somebody else appears only when one of its frames was opened with the key of the person whom it is shown for;
// until then it is `pending` and attached to nothing. Somebody with media who is not in the group is no person here but an alarm.
//
// `sync` and `reconcile` read all of it again and set what differs. They are idempotent, so it does not matter which of several events
// comes first, or whether one is missed during a reconnect.
import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import {
    ConnectionQuality,
    RoomEvent,
    Track,
    type Participant,
    type RemoteAudioTrack,
    type Room,
    type TrackPublication,
} from 'livekit-client';
import { cleanName } from '../app/settings';
import { t } from '../i18n';
import { canShow } from '../secure/codecs';
import type { Secure } from '../secure/types';

export type Quality = 'good' | 'poor' | 'lost' | 'unknown';

function liveVideo(publication: TrackPublication | undefined): Track | undefined {
    return publication && !publication.isMuted && publication.videoTrack ? publication.videoTrack : undefined;
}

function codecNotShown(publication: TrackPublication | undefined): string {
    if (!publication || publication.isMuted) return '';
    const mimeType = publication.mimeType ?? '';
    return canShow(mimeType) ? '' : mimeType.replace('video/', '').toUpperCase();
}

function qualityOf(participant: Participant): Quality {
    switch (participant.connectionQuality) {
        case ConnectionQuality.Excellent:
        case ConnectionQuality.Good:
            return 'good';
        case ConnectionQuality.Poor:
            return 'poor';
        case ConnectionQuality.Lost:
            return 'lost';
        default:
            return 'unknown';
    }
}

/** What of oneself is captured and sent, from the tracks themselves (local_media.ts). */
export interface OwnMedia {
    mic: { on: ReadonlySignal<boolean> };
    camera: { on: ReadonlySignal<boolean> };
    screen: { on: ReadonlySignal<boolean> };
}

export const REACTIONS: readonly string[] = ['👍', '👏', '❤️', '😂', '😮', '🎉'];
const REACTION_MS = 5000;

export type RosterSecure = Pick<Secure, 'state' | 'people' | 'openedTracks' | 'undecryptable'>;

export class Person {
    /** Whether the server has sound or pictures of them, or could have: someone in the group who is not connected for media has none. */
    readonly connected = signal(false);
    readonly name = signal('');
    readonly micOn = signal(false);
    readonly cameraOn = signal(false);
    readonly sharing = signal(false);
    readonly speaking = signal(false);
    readonly quality = signal<Quality>('unknown');
    readonly handRaised = signal(false);
    /** What comes as from this person does not open with their key. */
    readonly sealedOff = signal(false);
    /** An emoji for some seconds. */
    readonly reaction = signal('');
    readonly camera = signal<Track | undefined>(undefined);
    readonly screen = signal<Track | undefined>(undefined);
    /** The codec of their picture, when this browser has none for it. */
    readonly foreignCodec = signal('');
    /** Pictures that come but of which no frame was opened yet. */
    readonly pendingCamera = signal<Track | undefined>(undefined);
    readonly pendingScreen = signal<Track | undefined>(undefined);
    /** Sound of this person and of their shared screen; always absent for oneself. */
    readonly voice = signal<RemoteAudioTrack | undefined>(undefined);
    readonly screenSound = signal<RemoteAudioTrack | undefined>(undefined);
    participant: Participant | undefined;
    private reactionTimer: ReturnType<typeof setTimeout> | undefined;

    constructor(
        readonly identity: string,
        readonly isLocal: boolean,
        private readonly secure: RosterSecure,
        private readonly own: OwnMedia,
    ) {}

    sync(): void {
        const p = this.participant;
        const mic = p?.getTrackPublication(Track.Source.Microphone);
        const camera = p?.getTrackPublication(Track.Source.Camera);
        const screen = p?.getTrackPublication(Track.Source.ScreenShare);
        const screenSound = p?.getTrackPublication(Track.Source.ScreenShareAudio);
        const heard = (publication: TrackPublication | undefined): RemoteAudioTrack | undefined =>
            // Who is shown as muted is not heard, whoever says so.
            this.isLocal || !publication || publication.isMuted
                ? undefined
                : (this.opened(publication.audioTrack) as RemoteAudioTrack | undefined);
        const cameraTrack = liveVideo(camera);
        const screenTrack = liveVideo(screen);
        const member = this.secure.people.peek().get(this.identity);
        batch(() => {
            this.name.value = cleanName(member?.name ?? '') || t.meeting.unnamed;
            this.sealedOff.value = this.secure.undecryptable.peek().has(this.identity);
            this.handRaised.value = member?.hand ?? false;
            this.micOn.value = this.isLocal ? this.own.mic.on.peek() : mic !== undefined && !mic.isMuted;
            this.cameraOn.value = this.isLocal ? this.own.camera.on.peek() : camera !== undefined && !camera.isMuted;
            this.sharing.value = this.isLocal ? this.own.screen.on.peek() : screen !== undefined && !screen.isMuted;
            this.camera.value = this.opened(cameraTrack);
            this.screen.value = this.opened(screenTrack);
            this.pendingCamera.value = this.camera.peek() ? undefined : cameraTrack;
            this.pendingScreen.value = this.screen.peek() ? undefined : screenTrack;
            this.foreignCodec.value = this.isLocal ? '' : codecNotShown(camera);
            this.voice.value = heard(mic);
            this.screenSound.value = heard(screenSound);
            this.quality.value = p ? qualityOf(p) : 'unknown';
            this.connected.value = p !== undefined;
            if (!this.micOn.peek()) this.speaking.value = false;
        });
    }

    /** Only one of those that can be sent is shown: an emoji is not a way to put text on others' screens. */
    react(emoji: string): void {
        if (!REACTIONS.includes(emoji)) return;
        clearTimeout(this.reactionTimer);
        this.reaction.value = emoji;
        this.reactionTimer = setTimeout(() => {
            this.reaction.value = '';
        }, REACTION_MS);
    }

    private opened<T extends Track>(track: T | undefined): T | undefined {
        if (!track || this.isLocal) return track;
        return this.secure.openedTracks.peek().has(track.mediaStreamTrack.id) ? track : undefined;
    }
}

export interface RosterListener {
    joined(person: Person): void;
    left(person: Person): void;
    shareStarted(person: Person): void;
}

/** A newcomer is told of when the name has come, or after so long. */
const NAME_WITHIN_MS = 3000;
/** The server's list and the group's change at slightly different times. */
const OUTSIDER_AFTER_MS = 5000;

export class Roster {
    private readonly list = signal<readonly Person[]>([]);
    private readonly byIdentity = new Map<string, Person>();
    private readonly shareOrder = signal<readonly string[]>([]);
    private readonly loudest = signal<readonly string[]>([]);
    private readonly outside = signal<readonly string[]>([]);
    private readonly outsideSinceMs = new Map<string, number>();
    private outsideTimer: ReturnType<typeof setTimeout> | undefined;
    private readonly unnamed = new Map<string, ReturnType<typeof setTimeout>>();
    private holding = false;
    private begun = false;

    /** Everyone in the group in the order of arrival, oneself first. */
    readonly people: ReadonlySignal<readonly Person[]> = this.list;
    /** Identities of those who have media and are not in the group: nothing of theirs is shown or played. */
    readonly outsiders: ReadonlySignal<readonly string[]> = this.outside;
    /** Identities of the others who share a screen, in the order in which they began. */
    readonly shares: ReadonlySignal<readonly string[]> = this.shareOrder;
    /** Identities of the others who speak now, loudest first. */
    readonly speakers: ReadonlySignal<readonly string[]> = this.loudest;
    readonly self: ReadonlySignal<Person | undefined> = computed(() => this.list.value.find((p) => p.isLocal));

    private readonly stopWatching: (() => void)[];

    constructor(
        private readonly room: Room,
        private readonly secure: RosterSecure,
        private readonly own: OwnMedia,
        private readonly listener: RosterListener,
    ) {
        this.stopWatching = [
            effect(() => {
                void [secure.people.value, secure.state.value];
                this.reconcile();
            }),
            effect(() => {
                void [own.mic.on.value, own.camera.on.value, own.screen.on.value];
                void [secure.openedTracks.value, secure.undecryptable.value];
                batch(() => {
                    for (const person of this.list.peek()) if (!this.holding || person.isLocal) person.sync();
                });
            }),
        ];
        const sync = (participant: Participant | undefined): void => {
            if (participant) this.sync(participant);
        };
        room.on(RoomEvent.ParticipantConnected, () => this.reconcile())
            .on(RoomEvent.ParticipantDisconnected, () => this.reconcile())
            .on(RoomEvent.TrackPublished, (_publication, p) => sync(p))
            .on(RoomEvent.TrackUnpublished, (_publication, p) => sync(p))
            .on(RoomEvent.TrackSubscribed, (_track, _publication, p) => sync(p))
            .on(RoomEvent.TrackUnsubscribed, (_track, _publication, p) => sync(p))
            .on(RoomEvent.TrackMuted, (_publication, p) => sync(p))
            .on(RoomEvent.TrackUnmuted, (_publication, p) => sync(p))
            .on(RoomEvent.LocalTrackPublished, (_publication, p) => sync(p))
            .on(RoomEvent.LocalTrackUnpublished, (_publication, p) => sync(p))
            .on(RoomEvent.ConnectionQualityChanged, (_quality, p) => sync(p))
            .on(RoomEvent.ActiveSpeakersChanged, (speakers) => this.setSpeakers(speakers));
    }

    /** Whoever is here from now on came after us. */
    begin(): void {
        this.reconcile();
        this.begun = true;
    }

    close(): void {
        for (const stop of this.stopWatching) stop();
        for (const timer of this.unnamed.values()) clearTimeout(timer);
        clearTimeout(this.outsideTimer);
    }

    find(identity: string): Person | undefined {
        return this.byIdentity.get(identity);
    }

    /**
     * While the connection is being restored LiveKit takes everybody out and puts them back. Holding keeps them here,
     * so that nobody seems to leave and each keeps their place; `release` then reads what is true.
     */
    hold(): void {
        this.holding = true;
    }

    release(): void {
        this.holding = false;
        this.reconcile();
    }

    reconcile(): void {
        const members = this.secure.people.peek();
        // Before the first group, and between a lost one and the next, nothing is known that is better than what is shown.
        if (this.holding || members.size === 0) return;
        const gone = this.list.peek().filter((person) => !members.has(person.identity));
        const came: Person[] = [];
        batch(() => {
            for (const person of gone) this.byIdentity.delete(person.identity);
            for (const { identity, self } of [...members.values()].sort((a, b) => Number(b.self) - Number(a.self) || a.leaf - b.leaf)) {
                let person = this.byIdentity.get(identity);
                if (!person) {
                    person = new Person(identity, self, this.secure, this.own);
                    this.byIdentity.set(identity, person);
                    came.push(person);
                }
                person.participant = this.participantOf(person);
                person.sync();
            }
            if (gone.length > 0 || came.length > 0) {
                this.list.value = [...this.list.peek().filter((person) => members.has(person.identity)), ...came];
            }
            this.updateShares();
        });
        for (const person of gone) this.tellGone(person);
        for (const person of came) if (this.begun && !person.isLocal) this.tellLater(person);
        for (const identity of [...this.unnamed.keys()]) if (members.get(identity)?.name !== undefined) this.tell(identity);
        this.lookOutside();
    }

    private participantOf({ identity, isLocal }: Person): Participant | undefined {
        return isLocal ? this.room.localParticipant : this.room.remoteParticipants.get(identity);
    }

    private tellLater({ identity }: Person): void {
        this.unnamed.set(identity, setTimeout(() => this.tell(identity), NAME_WITHIN_MS));
    }

    private tell(identity: string): void {
        clearTimeout(this.unnamed.get(identity));
        this.unnamed.delete(identity);
        const person = this.byIdentity.get(identity);
        if (person) this.listener.joined(person);
    }

    private tellGone(person: Person): void {
        const timer = this.unnamed.get(person.identity);
        clearTimeout(timer);
        this.unnamed.delete(person.identity);
        if (timer === undefined) this.listener.left(person);
    }

    private lookOutside(): void {
        clearTimeout(this.outsideTimer);
        const members = this.secure.people.peek();
        if (this.holding || this.secure.state.peek() !== 'in') return;
        const now = performance.now();
        const found: string[] = [];
        let nextMs = Infinity;
        for (const { identity, trackPublications } of this.room.remoteParticipants.values()) {
            if (members.has(identity) || trackPublications.size === 0) continue;
            const since = this.outsideSinceMs.get(identity) ?? now;
            this.outsideSinceMs.set(identity, since);
            if (now - since >= OUTSIDER_AFTER_MS) found.push(identity);
            else nextMs = Math.min(nextMs, since + OUTSIDER_AFTER_MS - now);
        }
        for (const identity of [...this.outsideSinceMs.keys()]) {
            if (members.has(identity) || !this.room.remoteParticipants.has(identity)) this.outsideSinceMs.delete(identity);
        }
        if (nextMs < Infinity) this.outsideTimer = setTimeout(() => this.lookOutside(), nextMs + 1);
        const before = this.outside.peek();
        if (found.length === before.length && found.every((identity, i) => identity === before[i])) return;
        this.outside.value = found;
    }

    private sync(participant: Participant): void {
        // One's own mute has to show while the connection is being restored, too.
        if (this.holding && !participant.isLocal) return;
        const person = this.byIdentity.get(participant.identity);
        if (!person) {
            this.lookOutside();
            return;
        }
        person.participant = this.participantOf(person);
        batch(() => {
            person.sync();
            this.updateShares();
        });
    }

    private updateShares(): void {
        const now = this.list
            .peek()
            .filter((p) => !p.isLocal && p.sharing.peek())
            .map((p) => p.identity);
        const before = this.shareOrder.peek();
        const next = [...before.filter((id) => now.includes(id)), ...now.filter((id) => !before.includes(id))];
        if (next.length === before.length && next.every((id, i) => id === before[i])) return;
        this.shareOrder.value = next;
        for (const id of next) {
            const person = this.byIdentity.get(id);
            if (person && !before.includes(id)) this.listener.shareStarted(person);
        }
    }

    private setSpeakers(speakers: readonly Participant[]): void {
        const speaking = new Set(speakers.map((p) => p.identity));
        batch(() => {
            for (const person of this.list.peek()) {
                // Only sound that is heard, or one's own that is sent, can be somebody speaking.
                const sounds = person.isLocal ? person.micOn.peek() : person.voice.peek() !== undefined;
                person.speaking.value = speaking.has(person.identity) && sounds;
            }
            this.loudest.value = speakers.filter((p) => !p.isLocal && this.byIdentity.has(p.identity)).map((p) => p.identity);
        });
    }
}
