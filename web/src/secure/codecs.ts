// Which video codecs this browser can send and show when frames are encrypted, by what it says of itself.
//
// AV1 passes through encryption only as one metadata OBU a frame (src/e2ee/frame.h), and is decodable on the other side only when the
// dependency descriptor tells what an RTP stream with such frames consists of: browsers without that header extension neither send nor
// show it.

export const VIDEO_CODECS = ['vp8', 'vp9', 'h264', 'av1'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

export interface Abilities {
    /** MIME types, in lower case. */
    sends: readonly string[];
    shows: readonly string[];
    descriptor: boolean;
}

const DESCRIPTOR = 'dependency-descriptor';

interface Negotiable {
    getHeaderExtensionsToNegotiate?(): { uri: string }[];
}

/** Lists of capabilities leave out extensions that are not negotiated unless asked for; only a transceiver tells of those. */
function knowsDescriptor(): boolean {
    const connection = new RTCPeerConnection();
    try {
        const transceiver = connection.addTransceiver('video') as Negotiable;
        return transceiver.getHeaderExtensionsToNegotiate?.().some(({ uri }) => uri.includes(DESCRIPTOR)) ?? false;
    } finally {
        connection.close();
    }
}

let known: Abilities | undefined;

function ownAbilities(): Abilities {
    const types = (capabilities: RTCRtpCapabilities | null | undefined): string[] =>
        capabilities?.codecs.map((codec) => codec.mimeType.toLowerCase()) ?? ['video/vp8'];
    known ??= {
        sends: types(globalThis.RTCRtpSender?.getCapabilities?.('video')),
        shows: types(globalThis.RTCRtpReceiver?.getCapabilities?.('video')),
        descriptor: typeof RTCPeerConnection !== 'undefined' && knowsDescriptor(),
    };
    return known;
}

const possible = (types: readonly string[], mimeType: string, { descriptor }: Abilities): boolean =>
    types.includes(mimeType) && (mimeType !== 'video/av1' || descriptor);

export function canSend(codec: VideoCodec, abilities = ownAbilities()): boolean {
    return codec === 'vp8' || possible(abilities.sends, `video/${codec}`, abilities);
}

/** `mimeType` as a track's publication says it; empty: not said. */
export function canShow(mimeType: string, abilities = ownAbilities()): boolean {
    const type = mimeType.toLowerCase();
    return type === '' || type === 'video/vp8' || possible(abilities.shows, type, abilities);
}
