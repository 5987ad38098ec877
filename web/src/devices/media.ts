// Opening microphones and cameras. The constraints are those the meeting uses, so that the preview's tracks can go on
// living in the meeting without being opened a second time.
import { signal, type ReadonlySignal } from '@preact/signals';
import { t } from '../i18n';
import { MediaUnavailable } from './errors';
import { choicesOf, type Choice } from './list';

export interface DeviceChoices {
    mics: Choice[];
    cameras: Choice[];
    speakers: Choice[];
}

const none: DeviceChoices = { mics: [], cameras: [], speakers: [] };
const current = signal<DeviceChoices>(none);
export const devices: ReadonlySignal<DeviceChoices> = current;

export function micConstraints(id: string): MediaTrackConstraints {
    return {
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
        ...(id === '' ? {} : { deviceId: { ideal: id } }),
    };
}

export function cameraConstraints(id: string): MediaTrackConstraints {
    return {
        width: { ideal: 1280 },
        height: { ideal: 720 },
        frameRate: { ideal: 30 },
        ...(id === '' ? { facingMode: 'user' } : { deviceId: { ideal: id } }),
    };
}

export function canChooseSpeaker(): boolean {
    return 'setSinkId' in HTMLMediaElement.prototype;
}

function mediaDevices(): MediaDevices {
    // Outside a secure context browsers do not define mediaDevices at all, whatever the type says.
    const available = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
    if (!available || typeof available.getUserMedia !== 'function') throw new MediaUnavailable(window.isSecureContext);
    return available;
}

export async function openMic(id: string): Promise<MediaStreamTrack> {
    const stream = await mediaDevices().getUserMedia({ audio: micConstraints(id) });
    return firstTrack(stream.getAudioTracks());
}

export async function openCamera(id: string): Promise<MediaStreamTrack> {
    const stream = await mediaDevices().getUserMedia({ video: cameraConstraints(id) });
    return firstTrack(stream.getVideoTracks());
}

/** Both with one question to the person; rejects when either fails, and the caller then asks one by one. */
export async function openBoth(micId: string, cameraId: string): Promise<[MediaStreamTrack, MediaStreamTrack]> {
    const stream = await mediaDevices().getUserMedia({
        audio: micConstraints(micId),
        video: cameraConstraints(cameraId),
    });
    return [firstTrack(stream.getAudioTracks()), firstTrack(stream.getVideoTracks())];
}

function firstTrack(tracks: MediaStreamTrack[]): MediaStreamTrack {
    const track = tracks[0];
    if (!track) throw new DOMException('no track', 'NotFoundError');
    return track;
}

/** Reads the list of devices anew; returns it and updates `devices`. */
export async function refreshDevices(): Promise<DeviceChoices> {
    try {
        const list = await mediaDevices().enumerateDevices();
        const name = (kind: string) => (n: number) => t.prejoin.unnamed(kind, n);
        current.value = {
            mics: choicesOf(list, 'audioinput', name(t.prejoin.microphone)),
            cameras: choicesOf(list, 'videoinput', name(t.prejoin.camera)),
            speakers: choicesOf(list, 'audiooutput', name(t.prejoin.speaker)),
        };
    } catch {
        current.value = none;
    }
    return current.peek();
}

/** Calls back on each plugging and unplugging; returns how to stop. */
export function onDeviceChange(callback: () => void): () => void {
    const target = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
    target?.addEventListener?.('devicechange', callback);
    return () => target?.removeEventListener?.('devicechange', callback);
}
