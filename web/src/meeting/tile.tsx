// One picture: a person's camera or screen, with name, states and a pin. The video element is always there; it shows
// through only while there is a picture.
import { RemoteVideoTrack, type ElementInfo } from 'livekit-client';
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { Icon } from '../ui/icons';
import { hueOf, initials } from './avatar';
import { watchFit } from './fit';
import type { Person } from './roster';
import { tileKey, type TileSource } from './stage';
import type { View } from './view';

export interface TileProps {
    person: Person;
    source: TileSource;
    view: View;
    large?: boolean;
}

let firstFrameSeen = false;

/** Marks when the first picture of somebody else is really on the screen, for measuring how long joining takes. */
function markFirstFrame(video: HTMLVideoElement): void {
    if (firstFrameSeen) return;
    const mark = (): void => {
        if (firstFrameSeen) return;
        firstFrameSeen = true;
        performance.mark('conclave:first-remote-frame');
    };
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(mark);
    else (video as HTMLVideoElement).addEventListener('loadeddata', mark, { once: true });
}

/** Tells the server that a picture is wanted which cannot be attached yet: none of its frames was opened. */
function standIn(element: HTMLElement): ElementInfo {
    return {
        element: {},
        width: () => element.clientWidth,
        height: () => element.clientHeight,
        visible: true,
        pictureInPicture: false,
        visibilityChangedAt: 0,
        observe: () => undefined,
        stopObserving: () => undefined,
    };
}

function stateLabel(person: Person, source: TileSource): string {
    if (source === 'screen_share') return t.meeting.screenOf(person.name.value);
    const name = person.isLocal ? t.youSuffix(person.name.value) : person.name.value;
    const states = person.connected.value ? [person.micOn.value ? t.meeting.unmuted : t.meeting.muted] : [];
    if (person.connected.value && !person.cameraOn.value) states.push(t.meeting.cameraOffState);
    if (person.handRaised.value) states.push(t.meeting.handUp);
    if (!person.connected.value) states.push(t.meeting.noMedia);
    if (person.sealedOff.value) states.push(t.meeting.cannotDecrypt);
    if (person.quality.value === 'poor') states.push(t.meeting.poor);
    if (person.quality.value === 'lost') states.push(t.meeting.lost);
    return `${name}, ${states.join(', ')}`;
}

export function Tile({ person, source, view, large = false }: TileProps): JSX.Element {
    const video = useRef<HTMLVideoElement>(null);
    const track = (source === 'camera' ? person.camera : person.screen).value;
    const key = tileKey(person.identity, source);
    const pinned = view.pinned.value === key;
    const mirrored = person.isLocal && source === 'camera';
    // a track is there before its first frame
    const pictured = useSignal(false);
    // of who is not connected it is not known: that is another sign
    const muted = source === 'camera' ? person.connected.value && !person.micOn.value : !person.screenSound.value;
    useEffect(() => {
        const element = video.current;
        if (!element || !track) return undefined;
        pictured.value = false;
        track.attach(element);
        if (!person.isLocal) markFirstFrame(element);
        return () => {
            track.detach(element);
        };
    }, [track]);
    useEffect(() => (video.current ? watchFit(video.current) : undefined), []);
    const pending = (source === 'camera' ? person.pendingCamera : person.pendingScreen).value;
    useEffect(() => {
        if (!video.current || !(pending instanceof RemoteVideoTrack)) return undefined;
        const info = standIn(video.current);
        pending.observeElementInfo(info);
        return () => pending.stopObservingElementInfo(info);
    }, [pending]);
    const name = source === 'screen_share' ? t.meeting.screenOf(person.name.value) : person.name.value;
    return (
        <div
            class={`tile ${large ? 'large' : ''} ${source === 'screen_share' ? 'screen' : ''}`}
            role="group"
            aria-label={stateLabel(person, source)}
            data-testid="tile"
            data-identity={person.identity}
            data-source={source}
            data-muted={String(muted)}
            data-speaking={String(source === 'camera' && person.speaking.value)}
            data-local={String(person.isLocal)}
            data-video={String(track !== undefined)}
        >
            {source === 'screen_share' && !(track && pictured.value) && (
                <p class="tile-poster" role="status" data-testid="screen-coming">
                    <span class="spinner" aria-hidden="true" />
                    {t.meeting.screenComing(person.name.value)}
                </p>
            )}
            {!track && (
                <div class={`avatar hue-${hueOf(person.identity)}`} aria-hidden="true">
                    {initials(person.name.value)}
                </div>
            )}
            {person.sealedOff.value && (
                <p class="tile-poster" data-testid="cannot-decrypt">
                    <Icon name="shield" size={24} />
                    {t.meeting.cannotDecrypt}
                </p>
            )}
            {source === 'camera' && person.foreignCodec.value !== '' && !person.sealedOff.value && (
                <p class="tile-poster" data-testid="cannot-show">
                    <Icon name="cameraOff" size={24} />
                    {t.meeting.cannotShow(person.foreignCodec.value)}
                </p>
            )}
            {source === 'camera' && person.reaction.value !== '' && (
                <span class="tile-reaction" data-testid="reaction" aria-hidden="true">
                    {person.reaction.value}
                </span>
            )}
            {source === 'camera' && person.handRaised.value && (
                <span class="tile-hand" data-testid="hand">
                    <Icon name="hand" size={20} />
                </span>
            )}
            <video
                ref={video}
                class={mirrored ? 'mirrored' : ''}
                autoplay
                playsInline
                muted
                disablePictureInPicture={person.isLocal}
                onLoadedData={() => {
                    pictured.value = true;
                }}
            />
            <TileFooter person={person} source={source} name={name} />
            <IconButton
                icon="pin"
                label={t.meeting.pin(name)}
                pressed={pinned}
                tone={pinned ? 'active' : 'plain'}
                extraClass="tile-pin"
                onClick={() => view.togglePin(key)}
            />
        </div>
    );
}

function TileFooter({ person, source, name }: { person: Person; source: TileSource; name: string }): JSX.Element {
    const quality = person.quality.value;
    return (
        <div class="tile-footer" aria-hidden="true">
            {source === 'camera' && !person.micOn.value && (
                <span class="tile-muted">
                    <Icon name="micOff" size={16} />
                </span>
            )}
            {source === 'screen_share' && <Icon name="share" size={16} />}
            <span class="tile-name" dir="auto">
                {person.isLocal && source === 'camera' ? t.youSuffix(name) : name}
            </span>
            {(quality === 'poor' || quality === 'lost') && (
                <span class={`tile-quality ${quality}`} title={quality === 'poor' ? t.meeting.poor : t.meeting.lost}>
                    <Icon name={quality === 'poor' ? 'weak' : 'warning'} size={16} />
                </span>
            )}
        </div>
    );
}
