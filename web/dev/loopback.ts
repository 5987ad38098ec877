// A meeting server inside the page, for trying the client without a server: it answers the HTTP interface and speaks
// enough of the LiveKit protocol (one peer connection, /rtc/v1) to put one other person, Echo, into every meeting. Echo
// sends back whatever is published and written. Loaded before the client by dev/loopback.mjs; never part of it.
//
// `window.loopback` lets a test or a console play the network: drop the connection, refuse it, end the meeting.
import {
    ConnectionQuality,
    ConnectionQualityInfo,
    ConnectionQualityUpdate,
    DataPacket,
    JoinRequest,
    JoinResponse,
    LeaveRequest,
    LeaveRequest_Action,
    MediaSectionsRequirement,
    ParticipantInfo,
    ParticipantInfo_State,
    ParticipantPermission,
    ParticipantUpdate,
    ReconnectResponse,
    Room,
    ServerInfo,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SpeakerInfo,
    SpeakersChanged,
    TrackInfo,
    TrackPublishedResponse,
    TrackType,
    WrappedJoinRequest,
    type AddTrackRequest,
    type DisconnectReason,
} from '@livekit/protocol';

const RealSocket = window.WebSocket;
const realFetch = window.fetch.bind(window);

interface Published {
    info: TrackInfo;
    cid: string;
    media: MediaStreamTrack | undefined;
    echoMid: string | undefined;
}

class Loopback {
    socket: FakeSocket | undefined;
    peer: RTCPeerConnection | undefined;
    refusing = false;
    failJoin: number | undefined;
    withEcho = true;
    readonly requests: string[] = [];
    private readonly tracks: Published[] = [];
    private readonly channels = new Map<string, RTCDataChannel>();
    private version = 1;
    private sequence = 1;
    private muted = new Set<string>();
    selfName = '';

    async open(socket: FakeSocket, join: JoinRequest): Promise<void> {
        this.socket = socket;
        socket.accept();
        if (join.reconnect) {
            this.send({ case: 'reconnect', value: new ReconnectResponse({}) });
            this.update();
            return;
        }
        this.peer?.close();
        this.tracks.length = 0;
        this.channels.clear();
        this.peer = new RTCPeerConnection();
        this.peer.ontrack = (event) => this.arrived(event);
        this.peer.ondatachannel = ({ channel }) => {
            channel.binaryType = 'arraybuffer';
            this.channels.set(channel.label, channel);
            channel.onmessage = (message) => this.data(message.data as ArrayBuffer, channel.label);
        };
        this.send({
            case: 'join',
            value: new JoinResponse({
                room: new Room({ sid: 'RM_loop', name: 'loop' }),
                participant: new ParticipantInfo({
                    sid: 'PA_self',
                    identity: 'self',
                    name: this.selfName,
                    state: ParticipantInfo_State.JOINED,
                    permission: new ParticipantPermission({
                        canPublish: true,
                        canSubscribe: true,
                        canPublishData: true,
                    }),
                }),
                otherParticipants: this.withEcho ? [this.echo()] : [],
                serverInfo: new ServerInfo({ version: '1.13.5', protocol: 17 }),
                subscriberPrimary: false,
                pingInterval: 5,
                pingTimeout: 15,
            }),
        });
        if (join.publisherOffer) await this.answer(join.publisherOffer);
    }

    receive(request: SignalRequest): void {
        const message = request.message;
        this.requests.push(message.case ?? '');
        switch (message.case) {
            case 'offer':
                void this.answer(message.value);
                break;
            case 'trickle':
                void this.peer
                    ?.addIceCandidate(JSON.parse(message.value.candidateInit) as RTCIceCandidateInit)
                    .catch(() => undefined);
                break;
            case 'addTrack':
                this.addTrack(message.value);
                break;
            case 'mute':
                if (message.value.muted) this.muted.add(message.value.sid);
                else this.muted.delete(message.value.sid);
                this.update();
                break;
            case 'leave':
                this.socket?.shut();
                this.peer?.close();
                break;
            case 'pingReq':
                this.send({ case: 'pong', value: BigInt(Date.now()) });
                break;
            default:
                break;
        }
    }

    /** Ends the stay from the server's side. */
    leave(reason: number): void {
        this.send({
            case: 'leave',
            value: new LeaveRequest({ reason: reason as DisconnectReason, action: LeaveRequest_Action.DISCONNECT }),
        });
    }

    /** Cuts the signalling; with `refuse`, new connections fail until it is set to false again. */
    drop(refuse = false): void {
        this.refusing = refuse;
        this.socket?.shut(1006);
    }

    speak(...who: string[]): void {
        const speakers = ['PA_self', 'PA_echo'].map(
            (sid) => new SpeakerInfo({ sid, level: who.includes(sid) ? 0.5 : 0, active: who.includes(sid) }),
        );
        this.send({ case: 'speakersChanged', value: new SpeakersChanged({ speakers }) });
    }

    quality(sid: string, quality: ConnectionQuality): void {
        const updates = [new ConnectionQualityInfo({ participantSid: sid, quality, score: 1 })];
        this.send({ case: 'connectionQuality', value: new ConnectionQualityUpdate({ updates }) });
    }

    /** Takes Echo out of the meeting or puts it back. */
    setEcho(here: boolean): void {
        this.withEcho = here;
        this.update();
    }

    private send(message: SignalResponse['message']): void {
        this.socket?.deliver(new SignalResponse({ message }).toBinary());
    }

    private addTrack(request: AddTrackRequest): void {
        const info = new TrackInfo({
            sid: `TR_${this.tracks.length}_${request.cid.slice(0, 6)}`,
            type: request.type,
            name: request.name,
            source: request.source,
            width: request.width,
            height: request.height,
            muted: request.muted,
            mimeType: request.type === TrackType.AUDIO ? 'audio/opus' : 'video/VP8',
            layers: request.layers,
        });
        this.tracks.push({ info, cid: request.cid, media: undefined, echoMid: undefined });
        this.send({ case: 'trackPublished', value: new TrackPublishedResponse({ cid: request.cid, track: info }) });
    }

    private arrived(event: RTCTrackEvent): void {
        const kind = event.track.kind === 'audio' ? TrackType.AUDIO : TrackType.VIDEO;
        const entry = this.tracks.find((t) => !t.media && t.info.type === kind);
        if (!entry) return;
        entry.media = event.track;
        this.update();
        this.send({ case: 'mediaSectionsRequirement', value: new MediaSectionsRequirement({}) });
    }

    private echo(): ParticipantInfo {
        return new ParticipantInfo({
            sid: 'PA_echo',
            identity: 'echo',
            name: 'Echo',
            state: this.withEcho ? ParticipantInfo_State.ACTIVE : ParticipantInfo_State.DISCONNECTED,
            version: this.version++,
            joinedAt: BigInt(Math.floor(Date.now() / 1000)),
            tracks: this.tracks
                .filter((t) => t.media)
                .map(
                    (t) =>
                        new TrackInfo({
                            ...t.info,
                            sid: echoSid(t),
                            muted: this.muted.has(t.info.sid) || t.info.muted,
                        }),
                ),
        });
    }

    private update(): void {
        this.send({ case: 'update', value: new ParticipantUpdate({ participants: [this.echo()] }) });
    }

    private async answer(offer: SessionDescription): Promise<void> {
        const peer = this.peer;
        if (!peer) return;
        await peer.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
        this.forget(offer.sdp);
        for (const entry of this.tracks) {
            if (!entry.media || entry.echoMid || !this.withEcho) continue;
            const free = peer
                .getTransceivers()
                .find(
                    (t) =>
                        t.receiver.track.kind === entry.media?.kind &&
                        t.direction === 'recvonly' &&
                        sectionOf(offer.sdp, t.mid).includes('a=recvonly'),
                );
            if (!free) {
                const audio = entry.media.kind === 'audio';
                const value = new MediaSectionsRequirement({ numAudios: audio ? 1 : 0, numVideos: audio ? 0 : 1 });
                setTimeout(() => this.send({ case: 'mediaSectionsRequirement', value }));
                continue;
            }
            free.direction = 'sendonly';
            await free.sender.replaceTrack(entry.media);
            entry.echoMid = free.mid ?? undefined;
        }
        await peer.setLocalDescription();
        if (peer.iceGatheringState !== 'complete') {
            await new Promise<void>((done) => {
                peer.onicegatheringstatechange = () => {
                    if (peer.iceGatheringState === 'complete') done();
                };
            });
        }
        const midToTrackId: Record<string, string> = {};
        for (const entry of this.tracks) if (entry.echoMid) midToTrackId[entry.echoMid] = echoSid(entry);
        const sdp = nameTracks(peer.localDescription?.sdp ?? '', midToTrackId);
        this.send({
            case: 'answer',
            value: new SessionDescription({ type: 'answer', sdp, id: offer.id, midToTrackId }),
        });
    }

    /** Tracks that the client no longer sends leave Echo as well. */
    private forget(sdp: string): void {
        const sent = new Set(
            this.peer
                ?.getTransceivers()
                .filter((t) => /a=send(only|recv)/.test(sectionOf(sdp, t.mid)))
                .map((t) => t.receiver.track),
        );
        const before = this.tracks.length;
        for (let i = before - 1; i >= 0; i--) {
            const media = this.tracks[i]?.media;
            if (media && !sent.has(media)) this.tracks.splice(i, 1);
        }
        if (this.tracks.length !== before) this.update();
    }

    private data(bytes: ArrayBuffer, label: string): void {
        const packet = DataPacket.fromBinary(new Uint8Array(bytes));
        packet.participantIdentity = 'echo';
        packet.participantSid = 'PA_echo';
        packet.sequence = this.sequence++;
        if (this.withEcho) this.channels.get(label)?.send(packet.toBinary() as Uint8Array<ArrayBuffer>);
    }
}

function echoSid(entry: Published): string {
    return entry.info.sid.replace('TR_', 'TR_E');
}

function sectionOf(sdp: string, mid: string | null): string {
    return sdp.split(/\r\n(?=m=)/).find((part) => `${part}\r\n`.includes(`\r\na=mid:${mid}\r\n`)) ?? '';
}

/** Names what Echo sends as the protocol wants it: stream `<participant>|<track>`, track `<track>`. */
function nameTracks(sdp: string, names: Record<string, string>): string {
    const sections = sdp.split(/\r\n(?=m=)/);
    return sections
        .map((section) => {
            const mid = /a=mid:(\S+)/.exec(section)?.[1] ?? '';
            const sid = names[mid];
            if (!sid) return section;
            const kept = section
                .split('\r\n')
                .filter((line) => !line.startsWith('a=msid:') && !/^a=ssrc:\d+ (msid|mslabel|label)/.test(line));
            const at = kept.findIndex((line) => line.startsWith('a=mid:'));
            kept.splice(at + 1, 0, `a=msid:PA_echo|${sid} ${sid}`);
            return kept.join('\r\n');
        })
        .join('\r\n');
}

async function readJoin(url: URL): Promise<JoinRequest> {
    const text = (url.searchParams.get('join_request') ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const wrapped = WrappedJoinRequest.fromBinary(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    if (wrapped.compression === 0) return JoinRequest.fromBinary(wrapped.joinRequest);
    const stream = new Blob([wrapped.joinRequest as Uint8Array<ArrayBuffer>])
        .stream()
        .pipeThrough(new DecompressionStream('gzip'));
    return JoinRequest.fromBinary(new Uint8Array(await new Response(stream).arrayBuffer()));
}

class FakeSocket extends EventTarget {
    static readonly CONNECTING = 0;
    static readonly OPEN = 1;
    static readonly CLOSING = 2;
    static readonly CLOSED = 3;
    readonly protocol = '';
    readonly extensions = '';
    readonly bufferedAmount = 0;
    binaryType: BinaryType = 'blob';
    readyState = FakeSocket.CONNECTING;
    onopen: ((event: Event) => void) | null = null;
    onmessage: ((event: MessageEvent) => void) | null = null;
    onclose: ((event: CloseEvent) => void) | null = null;
    onerror: ((event: Event) => void) | null = null;

    constructor(readonly url: string) {
        super();
        if (loopback.refusing) {
            setTimeout(() => {
                this.fire(new Event('error'));
                this.shut(1006);
            }, 100);
            return;
        }
        void readJoin(new URL(url)).then((join) => loopback.open(this, join));
    }

    accept(): void {
        this.readyState = FakeSocket.OPEN;
        this.fire(new Event('open'));
    }

    deliver(bytes: Uint8Array): void {
        if (this.readyState !== FakeSocket.OPEN) return;
        setTimeout(() => this.fire(new MessageEvent('message', { data: bytes.slice().buffer })));
    }

    send(data: ArrayBuffer | Uint8Array): void {
        const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
        loopback.receive(SignalRequest.fromBinary(bytes));
    }

    close(code = 1000): void {
        this.shut(code);
    }

    shut(code = 1000): void {
        if (this.readyState === FakeSocket.CLOSED) return;
        this.readyState = FakeSocket.CLOSED;
        setTimeout(() => this.fire(new CloseEvent('close', { code, wasClean: code === 1000 })));
    }

    private fire(event: Event): void {
        const handler = this[`on${event.type}` as 'onopen'];
        handler?.call(this, event);
        this.dispatchEvent(event);
    }
}

const loopback = new Loopback();

function answerHttp(path: string, method: string, body: string): Response {
    const json = (status: number, value: unknown): Response =>
        new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json' } });
    if (path.endsWith('/version')) return json(200, { version: 'loopback', bundle_sha256: '' });
    if (path.endsWith('/join')) {
        if (loopback.failJoin) return json(loopback.failJoin, { error: 'test', message: 'as asked' });
        loopback.selfName = (JSON.parse(body) as { name: string }).name;
        return json(200, { token: 'loopback', identity: 'self', url: '' });
    }
    if (method === 'POST') return json(201, { id: 'loopbackmeeting', path: '/m/loopbackmeeting' });
    return path.includes('nothing') ? json(404, { error: 'meeting_not_found' }) : json(200, { status: 'open' });
}

window.fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.pathname.startsWith('/api/'))
        return answerHttp(url.pathname, init?.method ?? 'GET', String(init?.body ?? ''));
    if (url.pathname.startsWith('/rtc')) return new Response('refused by the loopback', { status: 503 });
    return realFetch(input, init);
}) as typeof fetch;

window.WebSocket = new Proxy(RealSocket, {
    construct: (_target, [url]: [string]) => new FakeSocket(String(url)),
    get: (target, key) => Reflect.get(target, key) as unknown,
});
Object.assign(window, { loopback });
