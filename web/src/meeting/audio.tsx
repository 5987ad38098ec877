// The sound of the meeting: one audio element per person and per shared screen, always present, whatever is on screen.
import type { JSX } from 'preact';
import type { RemoteAudioTrack } from 'livekit-client';
import { useEffect, useRef } from 'preact/hooks';
import type { Person, Roster } from './roster';

function Sound({
    track,
    identity,
    source,
}: {
    track: RemoteAudioTrack;
    identity: string;
    source: string;
}): JSX.Element {
    const element = useRef<HTMLAudioElement>(null);
    useEffect(() => {
        const audio = element.current;
        if (!audio) return undefined;
        track.attach(audio);
        return () => {
            track.detach(audio);
        };
    }, [track]);
    return <audio ref={element} autoplay data-identity={identity} data-source={source} />;
}

function PersonSound({ person }: { person: Person }): JSX.Element {
    const voice = person.voice.value;
    const screen = person.screenSound.value;
    return (
        <>
            {voice && <Sound key="voice" track={voice} identity={person.identity} source="microphone" />}
            {screen && <Sound key="screen" track={screen} identity={person.identity} source="screen_share_audio" />}
        </>
    );
}

export function AudioLayer({ roster }: { roster: Roster }): JSX.Element {
    return (
        <div class="sounds" aria-hidden="true">
            {roster.people.value
                .filter((person) => !person.isLocal)
                .map((person) => (
                    <PersonSound key={person.identity} person={person} />
                ))}
        </div>
    );
}
