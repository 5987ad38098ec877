// The meeting screen without a server, for looking at it: people made up by the LiveKit client itself.
//
// Address: /?people=7&share=1&link=reconnecting ; built by dev/gallery.mjs, never part of the client.
import { signal } from '@preact/signals';
import { render } from 'preact';
import { applyTheme } from '../src/app/theme';
import { MeetingScreen } from '../src/meeting/meeting';
import { Session } from '../src/meeting/session';
import type { Secure, SecurePerson } from '../src/secure/types';
import { ToastRegion, toast } from '../src/ui/toast';
import { RoomEvent, Track } from 'livekit-client';

const query = new URLSearchParams(location.search);
const names = [
    'Ann Lee',
    'Béla Kovács',
    'Chidi Okafor',
    'Dörte Øster-Lindqvist von Hohenfels',
    '田中 さくら',
    'فاطمة الزهراء',
    'Eve',
    'Nils',
    'Bo',
];
// Nobody's frames are opened here: each track counts as opened, and names are made up.
const made = signal<ReadonlyMap<string, SecurePerson>>(new Map());
const secure = {
    manager: { isEnabled: true, setup: () => undefined, setupEngine: () => undefined, on: () => undefined, setParticipantCryptorEnabled: () => undefined },
    people: made,
    openedTracks: signal({ has: () => true }),
    title: signal(''), code: signal(undefined), epoch: signal(0n), history: signal([]), alarms: signal([]), state: signal('in'),
    undecryptable: signal(new Set()), confirmed: signal(true), waiting: signal(false), identity: '', token: '',
    leave: () => undefined, hurry: () => undefined, chat: () => Promise.resolve(),
} as unknown as Secure;
const session = new Session(
    {
        url: '', meetingId: '', operator: new Uint8Array(32), seat: new Uint8Array(32), name: '', bundleSha256: '',
        link: {
            secret: new Uint8Array(32), operatorHash: new Uint8Array(16), owner: new Uint8Array(32), ownerSeed: undefined, suite: 0xf0a7, kind: 129,
        },
    },
    () => undefined,
    {
        ended: (reason) => console.log('ended', reason),
        problem: (problem) => console.log('problem', problem.kind, problem.cause),
        note: (text, urgent) => toast(text, { urgent: urgent ?? false }),
    },
    () => secure,
);
const count = Number(query.get('people') ?? '6');
applyTheme();
// The simulation makes receivers by hand, which browsers no longer allow.
Object.assign(globalThis, { RTCRtpReceiver: class {} });
await session.room.simulateParticipants({
    publish: { audio: true, video: true, useRealTracks: query.has('real') },
    participants: { count, audio: true, video: true, aspectRatios: [1.78] },
});
session.begin();
const people = [...session.room.remoteParticipants.values()];
const own = session.room.localParticipant.identity;
made.value = new Map([
    [own, { identity: own, name: 'Me', self: true, leaf: 0 } as SecurePerson],
    ...people.map((p, i): [string, SecurePerson] => [p.identity, { identity: p.identity, name: names[i % names.length], self: false, leaf: i + 1 } as SecurePerson]),
]);
session.roster.reconcile();
const sharing = session.roster.people.peek().slice(1, 1 + Number(query.get('share') ?? '0'));
for (const person of sharing) {
    person.screen.value = person.camera.peek();
    person.sharing.value = true;
    // The simulation knows no screens; what is set here must not be read again.
    person.sync = () => undefined;
}
session.roster.reconcile();
const quiet = people[1];
if (quiet) {
    const publication = quiet.getTrackPublication(Track.Source.Camera);
    if (publication?.track) publication.track.isMuted = true;
    session.room.emit(RoomEvent.TrackMuted, publication!, quiet);
}
if (query.get('link') === 'reconnecting') session.room.emit(RoomEvent.Reconnecting);
Object.assign(window, { session, toast });
render(
    <>
        <MeetingScreen session={session} />
        <ToastRegion />
    </>,
    document.getElementById('app')!,
);
