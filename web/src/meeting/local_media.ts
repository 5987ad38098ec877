// One's own microphone, camera and screen in the meeting.
//
// Muting acts on the track itself and at once, never on the far side of a request: it has to work while the connection
// is being restored. LiveKit tells the others as soon as it can.
//
// What the switches show is read from the tracks of the devices: captured or not, whatever a server, a library or a reconnection did.
import { batch, signal, type ReadonlySignal } from '@preact/signals';
import {
    ConnectionState,
    LocalAudioTrack,
    LocalVideoTrack,
    RoomEvent,
    Track,
    TrackEvent,
    type LocalTrack,
    type LocalTrackPublication,
    type Room,
} from 'livekit-client';
import { settings, updateSettings } from '../app/settings';
import { causeOf, screenProblem, type DeviceProblem } from '../devices/errors';
import { lostChoice, usable, type Choice, type ChoiceKind } from '../devices/list';
import {
    cameraConstraints,
    canChooseSpeaker,
    devices,
    micConstraints,
    onDeviceChange,
    openCamera,
    openMic,
    refreshDevices,
} from '../devices/media';
import type { TakenTracks } from '../devices/preview';
import { t } from '../i18n';
import { canSend, type VideoCodec } from '../secure/codecs';
import { MutedSpeechWatch } from './muted_speech';
import { Switch } from './switch';

export interface LocalMediaListener {
    problem(problem: DeviceProblem): void;
    note(text: string, urgent?: boolean): void;
}

/** The codec that was chosen, where this browser has it. */
export function sentCodec(): VideoCodec {
    const { videoCodec } = settings.peek();
    return canSend(videoCodec) ? videoCodec : 'vp8';
}

export class LocalMedia {
    /** What is captured now, by `look`. */
    private readonly live = { mic: signal(false), camera: signal(false), screen: signal(false) };
    readonly mic = new Switch(
        (on) => this.applyMic(on),
        () => this.cut(this.micTrack.peek()),
        this.live.mic,
    );
    readonly camera = new Switch(
        (on) => this.applyCamera(on),
        () => this.cut(this.cameraTrack.peek()),
        this.live.camera,
    );
    readonly screen = new Switch(
        (on) => this.applyScreen(on),
        () => this.stopScreen(),
        this.live.screen,
    );
    private readonly micTrack = signal<LocalAudioTrack | undefined>(undefined);
    private readonly cameraTrack = signal<LocalVideoTrack | undefined>(undefined);
    /** The shared screen and its sound, as long as they are captured. */
    private screenTracks: LocalTrack[] = [];
    private readonly meter = signal<MediaStreamTrack | undefined>(undefined);
    private readonly watch = new MutedSpeechWatch();
    private readonly stopWatchingDevices: () => void;
    private closed = false;
    /** Being taken back by ourselves. */
    private readonly own = new Set<LocalTrack>();

    /** The track to show a level for: the open microphone while it is on. */
    readonly meterTrack: ReadonlySignal<MediaStreamTrack | undefined> = this.meter;
    /** True for a while after somebody spoke into the muted microphone. */
    readonly speakingMuted: ReadonlySignal<boolean> = this.watch.heard;

    constructor(
        private readonly room: Room,
        private readonly listener: LocalMediaListener,
    ) {
        this.stopWatchingDevices = onDeviceChange(() => void this.devicesChanged());
        room.on(RoomEvent.LocalTrackPublished, (publication) => this.published(publication));
        room.on(RoomEvent.LocalTrackUnpublished, (publication) => this.unpublished(publication));
    }

    /** Publishes what the preview opened. Call once, when connected; waits until everything is published or refused. */
    async start(taken: TakenTracks): Promise<void> {
        const { micId, cameraId, speakerId } = settings.peek();
        const work: Promise<unknown>[] = [];
        if (taken.mic) {
            this.adoptMic(new LocalAudioTrack(taken.mic, micConstraints(micId), false));
            work.push(this.mic.set(true));
        }
        if (taken.camera) {
            this.adoptCamera(new LocalVideoTrack(taken.camera, cameraConstraints(cameraId), false));
            work.push(this.camera.set(true));
        }
        const listed = await refreshDevices();
        const speaker = usable(listed.speakers, speakerId);
        if (speaker !== '' && canChooseSpeaker()) work.push(this.choose('audiooutput', speaker));
        await Promise.all(work);
    }

    /**
     * After a reconnection: publishes what LiveKit gave up on the way, such as a device that did not start again at the
     * first attempt. What is on has to be seen and heard, or be off with a word why.
     */
    async restore(): Promise<void> {
        const missing = (control: Switch, source: Track.Source): boolean =>
            control.isOn && !this.room.localParticipant.getTrackPublication(source);
        await Promise.all([
            missing(this.mic, Track.Source.Microphone) ? this.mic.set(true) : undefined,
            missing(this.camera, Track.Source.Camera) ? this.camera.set(true) : undefined,
            this.restoreScreen(),
        ]);
        this.look();
    }

    /** A screen that is still captured is shared again, or not captured any longer; one that is not captured is not shared. */
    private async restoreScreen(): Promise<void> {
        const local = this.room.localParticipant;
        try {
            for (const track of this.screenTracks) {
                const is = local.getTrackPublication(track.source)?.track === track;
                if (!is && captured(track)) await local.publishTrack(track, { source: track.source });
            }
        } catch {
            this.listener.note(t.meeting.publishFailed(t.device.kind.screen), true);
            await this.screen.set(false);
        }
    }

    /** Changes a device for now and the future; the empty id is the system's default. */
    async choose(kind: ChoiceKind, id: string): Promise<void> {
        const key = kind === 'audioinput' ? 'micId' : kind === 'videoinput' ? 'cameraId' : 'speakerId';
        updateSettings({ [key]: id });
        try {
            await this.room.switchActiveDevice(kind, id === '' ? 'default' : id);
            this.followMic();
        } catch (error) {
            if (kind === 'audiooutput') this.listener.note(t.failure.refused, true);
            else
                this.listener.problem({ kind: kind === 'audioinput' ? 'microphone' : 'camera', cause: causeOf(error) });
        }
    }

    /** Sends pictures in another codec, from now on: the camera's track is published anew. */
    async chooseCodec(videoCodec: VideoCodec): Promise<void> {
        updateSettings({ videoCodec });
        const defaults = this.room.options.publishDefaults;
        if (defaults) defaults.videoCodec = sentCodec();
        const track = this.cameraTrack.peek();
        if (!track || !this.room.localParticipant.getTrackPublication(Track.Source.Camera)) return;
        this.own.add(track);
        try {
            await this.room.localParticipant.unpublishTrack(track, false);
            if (this.camera.isOn) await this.camera.set(true);
        } finally {
            this.own.delete(track);
        }
    }

    /** The id of the device in use, for the menus. */
    activeId(kind: ChoiceKind): string {
        if (kind === 'audioinput') {
            return this.micTrack.value?.mediaStreamTrack.getSettings().deviceId ?? settings.value.micId;
        }
        if (kind === 'videoinput') {
            return this.cameraTrack.value?.mediaStreamTrack.getSettings().deviceId ?? settings.value.cameraId;
        }
        return usable(devices.value.speakers, settings.value.speakerId);
    }

    /** Stops everything that captures. */
    close(): void {
        this.closed = true;
        this.stopWatchingDevices();
        this.watch.stop();
        this.meter.value = undefined;
        this.micTrack.peek()?.stop();
        this.cameraTrack.peek()?.stop();
        this.stopScreen();
        this.look();
    }

    private async applyMic(on: boolean): Promise<boolean> {
        const known = this.micTrack.peek();
        if (!on) {
            await known?.mute();
            this.followMic();
            return false;
        }
        try {
            let track = known;
            if (!track) {
                const { micId } = settings.peek();
                const opened = await openMic(micId);
                if (this.closed || !this.mic.isOn) {
                    opened.stop();
                    return false;
                }
                track = new LocalAudioTrack(opened, micConstraints(micId), false);
                this.adoptMic(track);
            }
            await this.publish(track, Track.Source.Microphone);
            this.followMic();
            return captured(track);
        } catch (error) {
            await this.failed('microphone', error);
            return false;
        }
    }

    private async applyCamera(on: boolean): Promise<boolean> {
        const known = this.cameraTrack.peek();
        if (!on) {
            await known?.mute();
            this.look();
            return false;
        }
        try {
            let track = known;
            if (!track) {
                const { cameraId } = settings.peek();
                const opened = await openCamera(cameraId);
                if (this.closed || !this.camera.isOn) {
                    opened.stop();
                    return false;
                }
                track = new LocalVideoTrack(opened, cameraConstraints(cameraId), false);
                this.adoptCamera(track);
            }
            await this.publish(track, Track.Source.Camera);
            this.look();
            return captured(track);
        } catch (error) {
            await this.failed('camera', error);
            return false;
        }
    }

    private async applyScreen(on: boolean): Promise<boolean> {
        try {
            await this.room.localParticipant.setScreenShareEnabled(on, {
                audio: true,
                contentHint: 'detail',
                selfBrowserSurface: 'exclude',
                surfaceSwitching: 'include',
                systemAudio: 'include',
            });
        } catch (error) {
            const problem = screenProblem(error);
            if (on && problem) this.listener.problem(problem);
        }
        if (!this.screen.isOn) this.stopScreen();
        this.look();
        return this.live.screen.peek();
    }

    private stopScreen(): void {
        for (const track of this.screenTracks) track.stop();
        this.screenTracks = [];
        this.look();
    }

    private published({ source, track }: LocalTrackPublication): void {
        const screen = source === Track.Source.ScreenShare || source === Track.Source.ScreenShareAudio;
        if (screen && track && !this.screenTracks.includes(track)) {
            this.screenTracks.push(track);
            track.on(TrackEvent.Ended, () => this.screenEnded(track));
        }
        this.look();
    }

    private screenEnded(track: LocalTrack): void {
        this.screenTracks = this.screenTracks.filter((one) => one !== track);
        this.look();
        this.screen.observe(this.live.screen.peek());
    }

    /**
     * While a connection is made anew everything is taken back and published again, which ends in `restore`. At any other time it is the
     * server's word that it does not take a track: then nothing is sent, and the switch goes off and says so.
     */
    private unpublished({ source, track }: LocalTrackPublication): void {
        // what the person saw: it may have been given up before it was wholly published
        const micShown = this.live.mic.peek();
        const cameraShown = this.live.camera.peek();
        this.look();
        if (!track || this.own.has(track)) return;
        setTimeout(() => {
            if (this.closed || this.room.state !== ConnectionState.Connected || this.own.has(track)) return;
            if (this.room.localParticipant.getTrackPublication(source)) return;
            if (track === this.micTrack.peek()) void this.lost('microphone', track, micShown);
            else if (track === this.cameraTrack.peek()) void this.lost('camera', track, cameraShown);
            else if (source === Track.Source.ScreenShare && this.screen.isOn && !this.screen.busy.peek()) {
                // When the person stopped it in the browser's own bar, the track has ended already.
                if (captured(track)) this.listener.note(t.meeting.publishFailed(t.device.kind.screen), true);
                void this.screen.set(false);
            }
        });
    }

    private async lost(kind: 'microphone' | 'camera', track: LocalTrack, shown: boolean): Promise<void> {
        const control = kind === 'microphone' ? this.mic : this.camera;
        const wasOn = shown || control.isOn;
        (kind === 'microphone' ? this.micTrack : this.cameraTrack).value = undefined;
        track.stop();
        control.observe(false);
        this.followMic();
        if (wasOn) this.listener.note(t.meeting.publishFailed(t.device.kind[kind]), true);
    }

    private async publish(track: LocalAudioTrack | LocalVideoTrack, source: Track.Source): Promise<void> {
        const local = this.room.localParticipant;
        if (!local.getTrackPublication(source)) {
            if (track.mediaStreamTrack.readyState === 'ended') await track.restartTrack();
            await local.publishTrack(track, { source });
        }
        await track.unmute();
    }

    private async failed(kind: 'microphone' | 'camera', error: unknown): Promise<void> {
        if (this.closed) return;
        const cause = causeOf(error);
        // Only the browser's own errors are about the device; anything else went wrong between here and the server.
        if (error instanceof DOMException || cause === 'insecure' || cause === 'unsupported') {
            this.listener.problem({ kind, cause });
        } else {
            this.listener.note(t.meeting.publishFailed(t.device.kind[kind]), true);
        }
        const track = kind === 'microphone' ? this.micTrack : this.cameraTrack;
        const failedTrack = track.peek();
        track.value = undefined;
        this.followMic();
        if (failedTrack) {
            this.own.add(failedTrack);
            await this.room.localParticipant.unpublishTrack(failedTrack).catch(() => undefined);
            this.own.delete(failedTrack);
            failedTrack.stop();
        }
        this.look();
    }

    private adoptMic(track: LocalAudioTrack): void {
        this.micTrack.value = track;
        // LiveKit mutes a track whose device is gone for good; the switch has to say so.
        track.on(TrackEvent.Muted, () => this.tookMute(this.mic, t.meeting.micStopped));
        track.on(TrackEvent.Restarted, () => this.followMic());
        this.watchTrack(track, this.mic);
        this.followMic();
    }

    private adoptCamera(track: LocalVideoTrack): void {
        this.cameraTrack.value = track;
        track.on(TrackEvent.Muted, () => this.tookMute(this.camera, t.meeting.cameraStopped));
        track.on(TrackEvent.Restarted, () => {
            // Opened again by a reconnection while it was being switched off.
            if (!this.camera.isOn) track.mediaStreamTrack.stop();
        });
        this.watchTrack(track, this.camera);
    }

    /** Only the person switches something on: whatever else does is undone. */
    private watchTrack(track: LocalAudioTrack | LocalVideoTrack, control: Switch): void {
        track.on(TrackEvent.Unmuted, () => {
            if (!control.isOn) {
                this.cut(track);
                void track.mute();
            }
            this.look();
        });
        for (const event of [TrackEvent.Muted, TrackEvent.Restarted, TrackEvent.Ended] as const) track.on(event, () => this.look());
        this.look();
    }

    /** Reads again what is captured: the one source of what the switches show. */
    private look(): void {
        batch(() => {
            this.live.mic.value = captured(this.micTrack.peek());
            this.live.camera.value = captured(this.cameraTrack.peek());
            this.live.screen.value = this.screenTracks.some(captured);
        });
    }

    /** Silences a track this instant; LiveKit's own mute follows and makes it official. */
    private cut(track: LocalTrack | undefined): void {
        if (track) track.mediaStreamTrack.enabled = false;
        this.look();
    }

    private tookMute(control: Switch, text: string): void {
        this.followMic();
        if (control.busy.peek() || !control.isOn || this.closed) return;
        control.observe(false);
        this.listener.note(text, true);
    }

    /** Keeps the meter and the muted-speech watch on the right track. */
    private followMic(): void {
        const track = this.micTrack.peek();
        const live = track?.mediaStreamTrack;
        this.meter.value = track && !track.isMuted ? live : undefined;
        if (track?.isMuted && live?.readyState === 'live' && !this.closed) this.watch.start(live);
        else this.watch.stop();
        this.look();
    }

    private async devicesChanged(): Promise<void> {
        const before = devices.peek();
        const used = {
            mic: this.activeId('audioinput'),
            camera: this.activeId('videoinput'),
            speaker: this.activeId('audiooutput'),
        };
        const after = await refreshDevices();
        if (this.closed) return;
        if (this.micTrack.peek()) this.tellLost(lostChoice(before.mics, after.mics, used.mic), after.mics);
        if (this.cameraTrack.peek())
            this.tellLost(lostChoice(before.cameras, after.cameras, used.camera), after.cameras);
        const speaker = lostChoice(before.speakers, after.speakers, used.speaker);
        if (speaker) {
            this.tellLost(speaker, after.speakers);
            await this.room.switchActiveDevice('audiooutput', 'default').catch(() => undefined);
        }
        this.followMic();
    }

    /** The replacement itself is LiveKit's: it restarts a track whose device ended on the default one. */
    private tellLost(lost: Choice | undefined, rest: readonly Choice[]): void {
        if (!lost) return;
        const now = rest[0];
        this.listener.note(
            now ? t.meeting.deviceLostUsing(lost.label, now.label) : t.meeting.deviceLost(lost.label),
            true,
        );
    }
}

/** Whether a device gives pictures or sound for this track now. */
function captured(track: LocalTrack | undefined): boolean {
    return track !== undefined && track.mediaStreamTrack.enabled && track.mediaStreamTrack.readyState === 'live';
}
