// What a server may do to a page through signalling, message by message.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
    AddTrackRequest, Codec, Encryption_Type, JoinResponse, LeaveRequest, LeaveRequest_Action, MediaSectionsRequirement, MuteTrackRequest,
    ParticipantInfo, ParticipantUpdate, RegionSettings, SignalResponse, SubscribedCodec, SubscribedQualityUpdate, TrackInfo, TrackPublishedResponse,
    TrackSource, TrackType, TrackUnpublishedResponse,
} from '@livekit/protocol';
import { RULES, ServerMessages, tokenIsOurs } from '../src/secure/server_messages';

const token = (sub: string, room: string): string => `x.${btoa(JSON.stringify({ sub, video: { room } }))}.x`;

function made() {
    const meddled: string[] = [];
    const early: string[] = [];
    const guard = new ServerMessages({
        identity: 'me',
        token: token('me', 'meeting'),
        codecOf: (sid) => (sid === 'TR_camera' ? 'vp8' : undefined),
        publishes: (sid) => sid === 'TR_camera',
        refusedEarly: (sid) => early.push(sid),
        meddled: (what) => meddled.push(what),
    });
    const handled: SignalResponse[] = [];
    const sent: AddTrackRequest[] = [];
    const removed: string[] = [];
    const client = {
        handleSignalResponse: (response: SignalResponse) => void handled.push(response),
        validateFirstMessage: (response: SignalResponse) => response,
        sendAddTrack: (request: AddTrackRequest) => {
            sent.push(request);
            return Promise.resolve();
        },
    };
    guard.guard({ client, removeAllListeners: (event) => removed.push(event) });
    const play = (message: SignalResponse['message']): SignalResponse | undefined => {
        const before = handled.length;
        client.handleSignalResponse(new SignalResponse({ message }));
        return handled.length > before ? handled.at(-1) : undefined;
    };
    return { guard, meddled, early, client, play, removed };
}

test('each message of the protocol has a rule, and one of a later protocol is dropped', () => {
    const known = SignalResponse.fields.list().map((field) => field.localName).sort();
    assert.deepEqual(Object.keys(RULES).sort(), known);
    const { play } = made();
    assert.equal(play({ case: 'summon', value: {} } as unknown as SignalResponse['message']), undefined);
    assert.equal(play({ case: undefined }), undefined);
});

test('a server neither mutes nor unmutes, moves nobody elsewhere, and what it tried is told', () => {
    const { play, meddled, guard } = made();
    for (const muted of [true, false]) {
        assert.equal(play({ case: 'mute', value: new MuteTrackRequest({ sid: 'TR_mic', muted }) }), undefined);
    }
    assert.equal(play({ case: 'roomMoved', value: { token: token('me', 'elsewhere') } as never }), undefined);
    assert.deepEqual(meddled, ['mute', 'mute', 'roomMoved']);
    assert.equal(guard.refused.mute, 2);
});

test('a token is taken only for the same person in the same meeting', () => {
    const { play, meddled } = made();
    assert.ok(tokenIsOurs(token('me', 'meeting'), { identity: 'me', token: token('me', 'meeting') }));
    assert.ok(play({ case: 'refreshToken', value: token('me', 'meeting') }));
    for (const other of [token('you', 'meeting'), token('me', 'other'), 'nothing', '']) {
        assert.equal(play({ case: 'refreshToken', value: other }), undefined);
    }
    assert.equal(meddled.length, 4);
});

test('what a server says of our own track is that it has it, and nothing else', () => {
    const { play, client } = made();
    const request = new AddTrackRequest({ cid: 'mic', source: TrackSource.MICROPHONE, type: TrackType.AUDIO, encryption: Encryption_Type.CUSTOM });
    void client.sendAddTrack(request);
    const track = new TrackInfo({
        sid: 'TR_1', source: TrackSource.SCREEN_SHARE, type: TrackType.VIDEO, muted: true, encryption: Encryption_Type.NONE, name: 'x',
        codecs: [{ mimeType: 'video/av1' }],
    });
    const answer = play({ case: 'trackPublished', value: new TrackPublishedResponse({ cid: 'mic', track }) });
    const got = (answer?.message.value as TrackPublishedResponse).track!;
    assert.deepEqual(
        [got.sid, got.source, got.type, got.muted, got.encryption, got.name, got.codecs.length],
        ['TR_1', TrackSource.MICROPHONE, TrackType.AUDIO, false, Encryption_Type.CUSTOM, '', 0],
    );
    // twice, or for something that was never asked for
    assert.equal(play({ case: 'trackPublished', value: new TrackPublishedResponse({ cid: 'mic', track }) }), undefined);
    assert.equal(play({ case: 'trackPublished', value: new TrackPublishedResponse({ cid: 'camera', track }) }), undefined);
});

test('a server can have fewer layers of a picture sent, and no other codec', () => {
    const { play } = made();
    const ask = (trackSid: string, ...codecs: string[]): string[] => {
        const value = new SubscribedQualityUpdate({ trackSid, subscribedCodecs: codecs.map((codec) => new SubscribedCodec({ codec })) });
        return (play({ case: 'subscribedQualityUpdate', value })?.message.value as SubscribedQualityUpdate).subscribedCodecs.map((one) => one.codec);
    };
    assert.deepEqual(ask('TR_camera', 'h264', 'vp8', 'vp8'), ['vp8']);
    assert.deepEqual(ask('TR_camera', 'av1'), []);
    assert.deepEqual(ask('TR_unknown', 'vp8'), []);
});

test('joining takes neither identity, rights, servers nor codecs from the server', () => {
    const { client, meddled } = made();
    const join = new JoinResponse({
        participant: new ParticipantInfo({ identity: 'somebody', name: 'Mallory', permission: { canPublish: false, canPublishSources: [2] } }),
        otherParticipants: [new ParticipantInfo({ identity: 'me' }), new ParticipantInfo({ identity: 'bob', name: 'Not Bob', attributes: { a: 'b' } })],
        iceServers: [{ urls: ['turn:elsewhere'] }],
        clientConfiguration: { forceRelay: 2 },
        alternativeUrl: 'wss://elsewhere',
        enabledPublishCodecs: [new Codec({ mime: 'video/h264' })],
        sifTrailer: new Uint8Array([1]),
    });
    client.validateFirstMessage(new SignalResponse({ message: { case: 'join', value: join } }), );
    assert.equal(join.participant!.identity, 'me');
    assert.deepEqual([join.participant!.name, join.participant!.permission!.canPublish, join.participant!.permission!.canPublishSources], ['', true, []]);
    assert.deepEqual(join.otherParticipants.map((one) => [one.identity, one.name, Object.keys(one.attributes)]), [['bob', '', []]]);
    assert.deepEqual([join.iceServers, join.clientConfiguration, join.alternativeUrl, join.sifTrailer.length], [[], undefined, '', 0]);
    assert.deepEqual(join.enabledPublishCodecs.map((codec) => codec.mime), ['video/vp8', 'video/vp9', 'video/h264', 'video/av1']);
    assert.deepEqual(meddled, ['join']);
});

test('an update gives nobody a name or a right, and a farewell no other address', () => {
    const { play } = made();
    const people = [new ParticipantInfo({ identity: 'bob', sid: 'PA_1', name: 'Not Bob', metadata: 'x', attributes: { 'lk.agent': '1' } })];
    const update = play({ case: 'update', value: new ParticipantUpdate({ participants: people }) })!.message.value as ParticipantUpdate;
    assert.deepEqual([update.participants[0]!.name, update.participants[0]!.metadata, update.participants[0]!.attributes], ['', '', {}]);
    const regions = new RegionSettings({ regions: [{ url: 'wss://elsewhere' }] });
    const leave = play({ case: 'leave', value: new LeaveRequest({ action: LeaveRequest_Action.RECONNECT, regions }) })!.message.value as LeaveRequest;
    assert.equal(leave.regions, undefined);
});

test('a server cannot have receivers made without end, and nobody listens to data', () => {
    const { play, removed } = made();
    const need = () => play({ case: 'mediaSectionsRequirement', value: new MediaSectionsRequirement({ numAudios: 4e9, numVideos: 4e9 }) });
    assert.deepEqual((need()!.message.value as MediaSectionsRequirement).numAudios, 512);
    for (let i = 0; i < 10; i++) need();
    assert.equal(need(), undefined);
    assert.deepEqual(removed.sort(), ['activeSpeakersUpdate', 'dataPacketReceived', 'dataTrackPacketReceived']);
});

test('a track that the server gives up before it is published is not forgotten', () => {
    const { play, early } = made();
    assert.ok(play({ case: 'trackUnpublished', value: new TrackUnpublishedResponse({ trackSid: 'TR_camera' }) }));
    assert.equal(play({ case: 'trackUnpublished', value: new TrackUnpublishedResponse({ trackSid: 'TR_mic' }) }), undefined);
    assert.deepEqual(early, ['TR_mic']);
});
