// What a server may do to a page through LiveKit's signalling: the whole of it is the table below, and whatever is not in it is dropped.
// It stands between the wire and livekit-client, which by itself obeys: it unmutes a microphone and opens a camera when a server asks.
//
// The rule behind the table: nothing that comes from the server starts, unmutes, stops or changes what a person sends, says who somebody
// is, or moves a person elsewhere. docs/server-messages.md has it in words; it changes with this file.
import type { AddTrackRequest, JoinResponse, ParticipantInfo, SignalResponse, TrackInfo } from '@livekit/protocol';
import { VIDEO_CODECS } from './codecs';

type Message = SignalResponse['message'];
export type ServerMessage = Exclude<Message['case'], undefined>;
type ValueOf<C extends ServerMessage> = Extract<Message, { case: C }>['value'];

/** What is known here without the server. */
export interface Ourselves {
    identity: string;
    /** The token that we came with. */
    token: string;
    /** The codec in which a track of ours is sent, by the server's name for it. */
    codecOf(trackSid: string): string | undefined;
    /** Whether a track of ours is published under this name. */
    publishes(trackSid: string): boolean;
    /** The server gave up a track that is not published yet. */
    refusedEarly(trackSid: string): void;
    /** Something that no honest server of a meeting sends was refused. */
    meddled(what: ServerMessage): void;
}

/** Of one connection. */
interface Memory {
    /** What was asked to be published, by the id that the answer repeats. */
    asked: Map<string, AddTrackRequest>;
    sections: number;
}

/** `passes` and `dropped` need no look. A function changes the message to what may pass, or answers false: dropped. */
type Rule<C extends ServerMessage> = 'passes' | 'dropped' | 'meddling' | ((value: ValueOf<C>, us: Ourselves, memory: Memory) => boolean);

/** Receiving parts of the peer connection that a server may ask for: sound and pictures of each of a full meeting, and of shared screens. */
const SECTIONS_AT_ONCE_MAX = 512;
const SECTIONS_MAX = 4096;
/** Tracks that are being published at one time are few. */
const ASKED_MAX = 64;

/** Claims of a token, unproven: the server proves it, here it is only asked whether it is still about us. */
function claimsOf(token: string): { sub?: unknown; video?: { room?: unknown } } {
    try {
        const body = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
        return JSON.parse(atob(body)) as { sub?: unknown; video?: { room?: unknown } };
    } catch {
        return {};
    }
}

/** For the same person in the same place as the one that we came with. */
export function tokenIsOurs(token: string, us: Pick<Ourselves, 'identity' | 'token'>): boolean {
    const claims = claimsOf(token);
    const room = claims.video?.room;
    return claims.sub === us.identity && typeof room === 'string' && room === claimsOf(us.token).video?.room;
}

/** Names, words and rights that the server gives somebody mean nothing here: names come from the group, and who may speak is not its matter. */
function cleanPerson(info: ParticipantInfo): void {
    info.name = '';
    info.metadata = '';
    info.attributes = {};
    info.dataTracks = [];
    if (!info.permission) return;
    info.permission.canPublish = true;
    info.permission.canSubscribe = true;
    info.permission.canPublishSources = [];
}

/** A track of ours is what we asked it to be: of the answer only the server's name for it counts. */
function cleanOwnTrack(track: TrackInfo, asked: AddTrackRequest): void {
    track.name = asked.name;
    track.type = asked.type;
    track.source = asked.source;
    track.muted = asked.muted;
    track.encryption = asked.encryption;
    track.width = asked.width;
    track.height = asked.height;
    track.codecs = [];
    track.audioFeatures = [];
}

/** The first message of a connection that begins anew. */
export function cleanJoin(join: JoinResponse, us: Ourselves): void {
    const { participant, room } = join;
    if (participant) {
        if (participant.identity !== us.identity) us.meddled('join');
        participant.identity = us.identity;
        cleanPerson(participant);
    }
    join.otherParticipants = join.otherParticipants.filter((info) => info.identity !== us.identity);
    for (const info of join.otherParticipants) cleanPerson(info);
    if (room) {
        room.metadata = '';
        room.activeRecording = false;
    }
    join.iceServers = [];
    delete join.clientConfiguration;
    join.alternativeUrl = '';
    join.sifTrailer = new Uint8Array(0);
    // In which codec pictures are sent is the person's choice; a list is needed so that publishing need not wait for the answer.
    const codec = join.enabledPublishCodecs[0];
    if (codec) join.enabledPublishCodecs = VIDEO_CODECS.map((name) => Object.assign(codec.clone(), { mime: `video/${name}` }));
}

export const RULES: { readonly [C in ServerMessage]: Rule<C> } = {
    join: (join, us, memory) => {
        memory.asked.clear();
        memory.sections = 0;
        cleanJoin(join, us);
        return true;
    },
    reconnect: (reconnect) => {
        reconnect.iceServers = [];
        delete reconnect.clientConfiguration;
        return true;
    },
    // How packets travel. What leaves is sealed, and a description of the far side starts no sending.
    answer: 'passes',
    offer: 'passes',
    trickle: 'passes',
    pong: 'passes',
    pongResp: 'passes',
    // Who has tracks. Who is here and what they are called is the group's to say; own tracks are not the server's to describe.
    update: (update) => {
        update.participants = update.participants.filter((info) => info.identity !== '' || info.sid !== '');
        for (const info of update.participants) cleanPerson(info);
        return true;
    },
    trackPublished: (answer, _us, memory) => {
        const asked = memory.asked.get(answer.cid);
        memory.asked.delete(answer.cid);
        if (!asked || !answer.track) return false;
        cleanOwnTrack(answer.track, asked);
        return true;
    },
    // Fewer layers of a picture when nobody looks at them; never another codec, which would be a second track.
    subscribedQualityUpdate: (update, us) => {
        const codec = us.codecOf(update.trackSid);
        update.subscribedCodecs = update.subscribedCodecs.filter((one) => one.codec === codec).slice(0, 1);
        return true;
    },
    mediaSectionsRequirement: (need, _us, memory) => {
        need.numAudios = Math.min(need.numAudios, SECTIONS_AT_ONCE_MAX);
        need.numVideos = Math.min(need.numVideos, SECTIONS_AT_ONCE_MAX);
        memory.sections += need.numAudios + need.numVideos;
        return memory.sections <= SECTIONS_MAX;
    },
    refreshToken: (token, us) => {
        if (tokenIsOurs(token, us)) return true;
        us.meddled('refreshToken');
        return false;
    },
    // Ends this connection or has it made anew, with the same server: the addresses that may come with it are not followed.
    leave: (leave) => {
        delete leave.regions;
        return true;
    },
    // What others' tracks look like from there; shown as what the server says, and only of those whose frames open.
    speakersChanged: 'passes',
    connectionQuality: 'passes',
    streamStateUpdate: 'passes',
    subscriptionResponse: 'passes',
    // It does not take a track of ours any longer: the switch goes off, with a word (local_media.ts). It could as well take it and drop it.
    trackUnpublished: ({ trackSid }, us) => {
        if (us.publishes(trackSid)) return true;
        us.refusedEarly(trackSid);
        return false;
    },
    mute: 'meddling',
    roomMoved: 'meddling',
    roomUpdate: 'dropped',
    subscriptionPermissionUpdate: 'dropped',
    requestResponse: 'dropped',
    trackSubscribed: 'dropped',
    subscribedAudioCodecUpdate: 'dropped',
    publishDataTrackResponse: 'dropped',
    unpublishDataTrackResponse: 'dropped',
    dataTrackSubscriberHandles: 'dropped',
    storeDataBlobResponse: 'dropped',
    getDataBlobResponse: 'dropped',
};

/** What would come over data channels: nothing of a meeting does, so nobody listens. */
const DATA_EVENTS = ['dataPacketReceived', 'activeSpeakersUpdate', 'dataTrackPacketReceived'] as const;

interface Client {
    handleSignalResponse(response: SignalResponse): void;
    validateFirstMessage(response: SignalResponse, isReconnect: boolean): unknown;
    sendAddTrack(request: AddTrackRequest): Promise<void>;
}

export class ServerMessages {
    private readonly memory: Memory = { asked: new Map(), sections: 0 };
    /** How often each was refused, for whoever looks for a fault. */
    readonly refused: Partial<Record<ServerMessage, number>> = {};

    constructor(private readonly us: Ourselves) {}

    /** Whether livekit-client gets to see it; changes it to what may be seen. */
    admits(message: Message): boolean {
        if (message.case === undefined) return false;
        // Of a later protocol: not in the table.
        const rule = (RULES as Record<string, Rule<ServerMessage> | undefined>)[message.case] ?? 'dropped';
        const passes =
            typeof rule === 'function'
                ? (rule as (value: unknown, us: Ourselves, memory: Memory) => boolean)(message.value, this.us, this.memory)
                : rule === 'passes';
        if (passes) return true;
        this.refused[message.case] = (this.refused[message.case] ?? 0) + 1;
        if (rule === 'meddling') this.us.meddled(message.case);
        return false;
    }

    /** Puts itself between the wire and `engine`. Once for each engine, before it connects. */
    guard(engine: { client: unknown; removeAllListeners(event: (typeof DATA_EVENTS)[number]): unknown }): void {
        const client = engine.client as Client;
        const handle = client.handleSignalResponse.bind(client);
        client.handleSignalResponse = (response) => {
            if (this.admits(response.message)) handle(response);
        };
        const validate = client.validateFirstMessage.bind(client);
        client.validateFirstMessage = (response, isReconnect) => {
            // One that is not admitted stays what it is: it is no first message, and ends the attempt.
            this.admits(response.message);
            return validate(response, isReconnect);
        };
        const add = client.sendAddTrack.bind(client);
        client.sendAddTrack = (request) => {
            if (this.memory.asked.size < ASKED_MAX) this.memory.asked.set(request.cid, request);
            return add(request);
        };
        for (const event of DATA_EVENTS) engine.removeAllListeners(event);
    }
}
