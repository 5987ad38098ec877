// The meeting screen without a server, for looking at it: people made up by the LiveKit client itself.
//
// Address: /?people=7&share=1&link=reconnecting ; built by dev/gallery.mjs, never part of the client.
import { render } from 'preact';
import { applyTheme } from '../src/app/theme';
import { MeetingScreen } from '../src/meeting/meeting';
import { Session } from '../src/meeting/session';
import { ToastRegion, toast } from '../src/ui/toast';
import { RoomEvent, Track } from 'livekit-client';

const query = new URLSearchParams(location.search);
const session = new Session({
    ended: (reason) => console.log('ended', reason),
    problem: (problem) => console.log('problem', problem.kind, problem.cause),
    note: (text, urgent) => toast(text, { urgent: urgent ?? false }),
    token: () => undefined,
});
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
people.forEach((participant, i) => Object.assign(participant, { name: names[i % names.length] }));
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
