// Puts the worker's transforms on everything that a room sends and receives, through the extension point that livekit-client has for
// encryption.
//
// A sender gets its transform when it is made, before it is negotiated; a receiver within the peer connection's 'track' event, before its
// first frame is handed on. Both keep it for life, so that reconnecting, republishing and changes of codec pass through it too. What a
// transform does with a frame is decided in the worker: without a key, or without knowing whose frame it is, nothing passes.
import {
    EngineEvent,
    ParticipantEvent,
    RoomEvent,
    Track,
    type RemoteParticipant,
    type RemoteTrack,
    type RemoteTrackPublication,
    type Room,
} from 'livekit-client';
import type { BaseE2EEManager } from './livekit';
import { SOURCES, type ToWorker, type TransformOptions } from './messages';
import { ServerMessages, type ServerMessage } from './server_messages';

type Engine = Parameters<BaseE2EEManager['setupEngine']>[0];
type Half = RTCRtpSender | RTCRtpReceiver;
interface Transport {
    addTransceiverOfKind(kind: 'audio' | 'video', init: RTCRtpTransceiverInit): RTCRtpTransceiver;
}
interface EncodedStreams {
    readable: ReadableStream;
    writable: WritableStream;
}
interface Transformable {
    transform?: unknown;
    createEncodedStreams?(): EncodedStreams;
}
interface ScriptTransform {
    new (worker: Worker, options: TransformOptions): unknown;
}

const NUMBER_OF: Partial<Record<Track.Source, number>> = {
    [Track.Source.Microphone]: SOURCES.microphone,
    [Track.Source.Camera]: SOURCES.camera,
    [Track.Source.ScreenShare]: SOURCES.screen,
    [Track.Source.ScreenShareAudio]: SOURCES.screenSound,
};

const scriptTransform = (): ScriptTransform | undefined =>
    (globalThis as { RTCRtpScriptTransform?: ScriptTransform }).RTCRtpScriptTransform;

/** Can this browser encrypt media at all? */
export function canEncrypt(): boolean {
    return (
        scriptTransform() !== undefined ||
        (typeof RTCRtpSender !== 'undefined' && 'createEncodedStreams' in RTCRtpSender.prototype)
    );
}

/**
 * livekit-client asks Chromium for the older way whenever that is there, and a peer connection made so refuses script transforms. Where
 * both are, the older one is taken out of sight.
 */
function preferScriptTransforms(): void {
    if (!scriptTransform()) return;
    for (const half of [RTCRtpSender, RTCRtpReceiver]) {
        delete (half.prototype as Transformable).createEncodedStreams;
    }
}

const EARLY_MAX = 64;
const NO_DATA = 'nothing of a meeting goes over data channels';

export class FrameManager implements BaseE2EEManager {
    private readonly ids = new WeakMap<Half, number>();
    private readonly engines = new WeakSet<Engine>();
    private nextId = 1;
    private room: Room | undefined;
    /** Tracks of ours that the server gave up before they were published. */
    private readonly early = new Set<string>();

    readonly isEnabled = true;

    constructor(
        private readonly worker: Pick<Worker, 'postMessage'>,
        private readonly post: (message: ToWorker) => void,
        /** A track belongs to nobody, or somebody else, from now on. */
        private readonly closed: (trackId: string) => void,
        /** Resolves when we are in the group, or after a while. */
        private readonly whenIn: () => Promise<void>,
        private readonly self: { readonly identity: string; readonly token: string },
        /** The server tried what no server of a meeting may. */
        private readonly meddled: (what: ServerMessage) => void,
    ) {}

    /** Data packets are refused below, so that none leaves in clear. */
    get isDataChannelEncryptionEnabled(): boolean {
        return true;
    }

    set isDataChannelEncryptionEnabled(_enabled: boolean) {
        // Not the room's choice.
    }

    setup(room: Room): void {
        preferScriptTransforms();
        this.room = room;
        room.localParticipant.on(ParticipantEvent.LocalSenderCreated, (sender, track) => {
            const id = this.attach(sender, false);
            const codec = (track as { codec?: string }).codec;
            const mimeType = track.kind === Track.Kind.Audio ? 'audio/opus' : `video/${codec ?? 'vp8'}`;
            this.assign(id, false, '', NUMBER_OF[track.source] ?? 0, '', mimeType);
        });
        room.localParticipant.on(ParticipantEvent.LocalTrackPublished, ({ trackSid, track }) => {
            if (this.early.delete(trackSid) && track) void room.localParticipant.unpublishTrack(track).catch(() => undefined);
        });
        room.on(RoomEvent.TrackSubscribed, (track, publication, participant) => this.owned(track, publication, participant));
        room.on(RoomEvent.TrackUnsubscribed, (track) => {
            if (!track.receiver) return;
            this.closed(track.mediaStreamTrack.id);
            this.assign(this.attach(track.receiver, true), true, '', 0, '', '');
        });
    }

    setupEngine(engine: Engine): void {
        if (this.engines.has(engine)) return;
        this.engines.add(engine);
        const { self } = this;
        new ServerMessages({
            // known when we are in the group, which is before this connects
            get identity() {
                return self.identity;
            },
            get token() {
                return self.token;
            },
            codecOf: (trackSid) => this.room?.localParticipant.videoTrackPublications.get(trackSid)?.videoTrack?.codec,
            publishes: (trackSid) => this.room?.localParticipant.trackPublications.has(trackSid) ?? false,
            refusedEarly: (trackSid) => {
                if (this.early.size < EARLY_MAX) this.early.add(trackSid);
            },
            meddled: this.meddled,
        }).guard(engine);
        // The server lets only members of the group in, and refuses others for the moment: an attempt that waits until we are back in the
        // group after a restart of the server is not lost, with the pause that follows a lost one.
        const { client } = engine;
        const join = client.join.bind(client);
        client.join = async (...args) => {
            await this.whenIn();
            return join(...args);
        };
        const reconnect = client.reconnect.bind(client);
        client.reconnect = async (...args) => {
            await this.whenIn();
            return reconnect(...args);
        };
        engine.on(EngineEvent.RTPVideoMapUpdate, (types: Map<number, string>) => {
            this.post({ kind: 'codecs', types: [...types].map(([type, codec]) => [type, `video/${codec}`]) });
        });
        // With one peer connection for both ways, receivers are made long before their tracks: a transform that came with the track
        // would be too late, since the browser has bound the receiver to its decoder by then.
        engine.on(EngineEvent.TransportsCreated, (publisher: Transport) => {
            const add = publisher.addTransceiverOfKind.bind(publisher);
            publisher.addTransceiverOfKind = (kind, init) => {
                const transceiver = add(kind, init);
                this.attach(transceiver.receiver, true);
                return transceiver;
            };
        });
        // Emitted within the peer connection's 'track' event; the room may have told whose it is before this.
        engine.on(EngineEvent.MediaTrackAdded, (_track: MediaStreamTrack, _stream: MediaStream, receiver: RTCRtpReceiver) => {
            this.attach(receiver, true);
        });
    }

    private owned(track: RemoteTrack, publication: RemoteTrackPublication, participant: RemoteParticipant): void {
        if (!track.receiver) return;
        const source = NUMBER_OF[publication.source] ?? 0;
        const id = this.attach(track.receiver, true);
        this.assign(id, true, participant.identity, source, track.mediaStreamTrack.id, publication.mimeType ?? '');
    }

    private assign(id: number, opening: boolean, identity: string, source: number, trackId: string, mimeType: string): void {
        this.post({ kind: 'track', id, opening, identity, source, trackId, mimeType });
    }

    /** Once for each sender and receiver. */
    private attach(half: Half, opening: boolean): number {
        const known = this.ids.get(half);
        if (known !== undefined) return known;
        const id = this.nextId++;
        this.ids.set(half, id);
        const options: TransformOptions = { id, opening };
        const target = half as unknown as Transformable;
        const Transform = scriptTransform();
        if (Transform) {
            target.transform = new Transform(this.worker as Worker, options);
        } else {
            const { readable, writable } = target.createEncodedStreams!();
            const message: ToWorker = { kind: 'streams', options, readable, writable };
            this.worker.postMessage(message, [readable, writable] as unknown as Transferable[]);
        }
        return id;
    }

    setParticipantCryptorEnabled(): void {
        // Whatever the server says of a track: it is opened, or it is not played.
    }

    setSifTrailer(): void {
        // Frames that the server makes by itself are not played either.
    }

    encryptData(): Promise<never> {
        return Promise.reject(new Error(NO_DATA));
    }

    handleEncryptedData(): Promise<never> {
        return Promise.reject(new Error(NO_DATA));
    }

    on(): this {
        return this;
    }
}
