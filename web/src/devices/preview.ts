// The microphone and camera before joining. Owns their tracks until `take` hands them to the meeting or `close` stops
// them. Turning a device off stops its track, so the camera light goes out.
import { signal } from '@preact/signals';
import { settings, updateSettings } from '../app/settings';
import { causeOf, type DeviceProblem } from './errors';
import { usable } from './list';
import { devices, onDeviceChange, openBoth, openCamera, openMic, refreshDevices } from './media';

export interface TakenTracks {
    mic: MediaStreamTrack | undefined;
    camera: MediaStreamTrack | undefined;
}

export class Preview {
    readonly micOn = signal(settings.peek().micOn);
    readonly cameraOn = signal(settings.peek().cameraOn);
    readonly mic = signal<MediaStreamTrack | undefined>(undefined);
    readonly camera = signal<MediaStreamTrack | undefined>(undefined);
    readonly micProblem = signal<DeviceProblem | undefined>(undefined);
    readonly cameraProblem = signal<DeviceProblem | undefined>(undefined);
    readonly busy = signal(false);

    private closed = false;
    private work: Promise<void> = Promise.resolve();
    private readonly stopWatching = onDeviceChange(() => void refreshDevices());

    /** Opens what the person last used. Call once, when the meeting is known to exist. */
    start(): Promise<void> {
        return this.queue(async () => {
            await refreshDevices();
            if (this.micOn.peek() && this.cameraOn.peek()) {
                try {
                    const { micId, cameraId } = settings.peek();
                    const [mic, camera] = await openBoth(micId, cameraId);
                    this.setMic(mic);
                    this.setCamera(camera);
                    await refreshDevices();
                    return;
                } catch {
                    // One of the two failed: asking for each alone tells which, and may still give the other.
                }
            }
            await this.applyMic();
            await this.applyCamera();
        });
    }

    toggleMic(): Promise<void> {
        this.micOn.value = !this.micOn.peek();
        updateSettings({ micOn: this.micOn.peek() });
        return this.queue(() => this.applyMic());
    }

    toggleCamera(): Promise<void> {
        this.cameraOn.value = !this.cameraOn.peek();
        updateSettings({ cameraOn: this.cameraOn.peek() });
        return this.queue(() => this.applyCamera());
    }

    chooseMic(id: string): Promise<void> {
        updateSettings({ micId: id });
        return this.queue(async () => {
            this.setMic(undefined);
            await this.applyMic();
        });
    }

    chooseCamera(id: string): Promise<void> {
        updateSettings({ cameraId: id });
        return this.queue(async () => {
            this.setCamera(undefined);
            await this.applyCamera();
        });
    }

    /** Waits for what is being opened, then hands the tracks over; the preview is closed and stops nothing it gave. */
    async take(): Promise<TakenTracks> {
        await this.work;
        const taken = { mic: this.mic.peek(), camera: this.camera.peek() };
        this.mic.value = undefined;
        this.camera.value = undefined;
        this.close();
        return taken;
    }

    close(): void {
        this.closed = true;
        this.stopWatching();
        this.setMic(undefined);
        this.setCamera(undefined);
    }

    private queue(step: () => Promise<void>): Promise<void> {
        this.work = this.work.then(async () => {
            if (this.closed) return;
            this.busy.value = true;
            try {
                await step();
            } finally {
                this.busy.value = false;
            }
        });
        return this.work;
    }

    private async applyMic(): Promise<void> {
        if (!this.micOn.peek()) {
            this.setMic(undefined);
            this.micProblem.value = undefined;
            return;
        }
        if (this.mic.peek()) return;
        try {
            this.setMic(await openMic(settings.peek().micId));
            await refreshDevices();
        } catch (error) {
            this.micProblem.value = { kind: 'microphone', cause: causeOf(error) };
            this.micOn.value = false;
        }
    }

    private async applyCamera(): Promise<void> {
        if (!this.cameraOn.peek()) {
            this.setCamera(undefined);
            this.cameraProblem.value = undefined;
            return;
        }
        if (this.camera.peek()) return;
        try {
            this.setCamera(await openCamera(settings.peek().cameraId));
            await refreshDevices();
        } catch (error) {
            this.cameraProblem.value = { kind: 'camera', cause: causeOf(error) };
            this.cameraOn.value = false;
        }
    }

    private setMic(track: MediaStreamTrack | undefined): void {
        const next = this.closed ? undefined : track;
        if (next !== track) track?.stop();
        this.mic.peek()?.stop();
        this.mic.value = next;
        if (!next) return;
        this.micProblem.value = undefined;
        next.onended = () => {
            if (this.mic.peek() === next) void this.queue(() => this.replaceMic());
        };
    }

    private setCamera(track: MediaStreamTrack | undefined): void {
        const next = this.closed ? undefined : track;
        if (next !== track) track?.stop();
        this.camera.peek()?.stop();
        this.camera.value = next;
        if (!next) return;
        this.cameraProblem.value = undefined;
        next.onended = () => {
            if (this.camera.peek() === next) void this.queue(() => this.replaceCamera());
        };
    }

    /** The device went away by itself (unplugged, or permission withdrawn): try another one of its kind. */
    private async replaceMic(): Promise<void> {
        this.setMic(undefined);
        await this.applyMic();
    }

    private async replaceCamera(): Promise<void> {
        this.setCamera(undefined);
        await this.applyCamera();
    }
}

/** The id to show as chosen in a menu: of the running track, else the remembered one if it is still there. */
export function shownMicId(track: MediaStreamTrack | undefined): string {
    return track?.getSettings().deviceId ?? usable(devices.value.mics, settings.value.micId);
}

export function shownCameraId(track: MediaStreamTrack | undefined): string {
    return track?.getSettings().deviceId ?? usable(devices.value.cameras, settings.value.cameraId);
}

export function shownSpeakerId(): string {
    return usable(devices.value.speakers, settings.value.speakerId);
}
