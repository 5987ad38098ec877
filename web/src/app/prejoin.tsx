// Before joining: the own picture, devices, microphone level, name, and one primary button.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { DeviceProblem } from '../devices/errors';
import { problemTitle } from '../devices/errors';
import { canChooseSpeaker, devices } from '../devices/media';
import { shownCameraId, shownMicId, shownSpeakerId, type Preview } from '../devices/preview';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { LinkField, meetingLink } from '../ui/copy_link';
import { explainProblem } from '../ui/device_dialog';
import { DeviceSelect } from '../ui/device_select';
import { MicMeter } from '../ui/mic_meter';
import { TestTone } from '../ui/test_tone';
import { failureText, joinFromPreview, waiting } from './flow';
import { Frame } from './frame';
import { cleanName, NAME_MAX_CHARS, settings, updateSettings } from './settings';

export function Prejoin({ id, preview }: { id: string; preview: Preview }): JSX.Element {
    return (
        <Frame testid="prejoin" title={t.prejoin.title}>
            <div class="prejoin">
                <div class="prejoin-look">
                    <PreviewPicture preview={preview} />
                    <Problems preview={preview} />
                </div>
                <div class="prejoin-form">
                    <h1 tabIndex={-1}>{t.prejoin.title}</h1>
                    <NameForm id={id} preview={preview} />
                    <p class="small-print">{t.prejoin.privacy}</p>
                </div>
                <Devices preview={preview} />
                <section class="invite" aria-label={t.prejoin.meetingLink}>
                    <h2>{t.prejoin.meetingLink}</h2>
                    <LinkField link={meetingLink()} label={t.landing.laterTitle} />
                </section>
            </div>
        </Frame>
    );
}

function PreviewPicture({ preview }: { preview: Preview }): JSX.Element {
    const video = useRef<HTMLVideoElement>(null);
    const camera = preview.camera.value;
    const micOn = preview.micOn.value;
    const cameraOn = preview.cameraOn.value;
    useEffect(() => {
        const element = video.current;
        if (!element) return;
        element.srcObject = camera ? new MediaStream([camera]) : null;
    }, [camera]);
    return (
        <div class="preview" data-video={String(camera !== undefined)}>
            <video
                ref={video}
                class="mirrored"
                data-testid="prejoin-preview"
                aria-label={t.prejoin.preview}
                autoplay
                playsInline
                muted
            />
            {!camera && (
                <p class="preview-text" role="status">
                    {preview.cameraProblem.value
                        ? t.prejoin.cameraProblem
                        : cameraOn
                          ? t.prejoin.cameraStarting
                          : t.prejoin.cameraOff}
                </p>
            )}
            <div class="preview-controls">
                <IconButton
                    icon={micOn ? 'mic' : 'micOff'}
                    label={t.bar.mic}
                    tip={micOn ? t.bar.micOn : t.bar.micOff}
                    pressed={micOn}
                    tone={micOn ? 'plain' : 'off'}
                    testid="prejoin-mic"
                    onClick={() => void preview.toggleMic()}
                />
                <IconButton
                    icon={cameraOn ? 'camera' : 'cameraOff'}
                    label={t.bar.camera}
                    tip={cameraOn ? t.bar.cameraOn : t.bar.cameraOff}
                    pressed={cameraOn}
                    tone={cameraOn ? 'plain' : 'off'}
                    testid="prejoin-camera"
                    onClick={() => void preview.toggleCamera()}
                />
            </div>
        </div>
    );
}

function Problems({ preview }: { preview: Preview }): JSX.Element {
    const problems = [preview.micProblem.value, preview.cameraProblem.value].filter(
        (problem): problem is DeviceProblem => problem !== undefined,
    );
    return (
        <div role="status" class="problems">
            {problems.map((problem) => (
                <p key={problem.kind} class="notice" data-testid="prejoin-problem" data-cause={problem.cause}>
                    <span>{problemTitle(problem)}.</span>
                    <button type="button" class="button quiet" onClick={() => explainProblem(problem)}>
                        {t.prejoin.whatIsWrong}
                    </button>
                </p>
            ))}
            {problems.length > 0 && <p class="muted">{t.prejoin.noDevices}</p>}
        </div>
    );
}

function NameForm({ id, preview }: { id: string; preview: Preview }): JSX.Element {
    const name = useSignal(settings.peek().name);
    const missing = useSignal(false);
    const joining = useSignal(false);
    const problem = useSignal('');
    const field = useRef<HTMLInputElement>(null);
    useEffect(() => {
        // Not on touch screens: the keyboard would cover the preview.
        if (name.peek() === '' && window.matchMedia('(pointer: fine)').matches) field.current?.focus();
    }, []);
    const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        if (joining.peek()) return;
        const clean = cleanName(name.peek());
        missing.value = clean === '';
        problem.value = '';
        if (clean === '') {
            field.current?.focus();
            return;
        }
        updateSettings({ name: clean });
        joining.value = true;
        try {
            await joinFromPreview(id, clean, preview);
        } catch (error) {
            problem.value = failureText(error);
        } finally {
            joining.value = false;
        }
    };
    return (
        <form class="name-form" noValidate onSubmit={(event) => void submit(event)}>
            <label htmlFor="name">{t.prejoin.nameLabel}</label>
            <input
                ref={field}
                id="name"
                class="field"
                data-testid="prejoin-name"
                type="text"
                autocomplete="name"
                maxLength={NAME_MAX_CHARS}
                dir="auto"
                value={name.value}
                aria-invalid={missing.value}
                aria-describedby="name-hint"
                onInput={(event) => {
                    name.value = event.currentTarget.value;
                    missing.value = false;
                }}
            />
            <p id="name-hint" class={missing.value ? 'problem' : 'muted'} role={missing.value ? 'alert' : undefined}>
                {missing.value ? t.prejoin.nameEmpty : t.prejoin.nameHint}
            </p>
            <button
                type="submit"
                class="button primary big wide"
                data-testid="prejoin-join"
                aria-disabled={joining.value}
            >
                {joining.value && <span class="spinner" aria-hidden="true" />}
                {joining.value ? t.prejoin.joining : t.prejoin.join}
            </button>
            <Waiting />
            <p role="alert" class="problem" data-testid="prejoin-error">
                {problem.value}
            </p>
        </form>
    );
}

/** Said while somebody waits, wherever they pressed the button. */
export function Waiting(): JSX.Element {
    return (
        <p role="status" class="muted" data-testid="waiting">
            {waiting.value ? t.prejoin.waiting : ''}
        </p>
    );
}

function Devices({ preview }: { preview: Preview }): JSX.Element {
    const { mics, cameras, speakers } = devices.value;
    const mic = preview.mic.value;
    const speakerId = shownSpeakerId();
    return (
        <section class="devices" aria-label={t.more.devices}>
            <div class="device">
                <DeviceSelect
                    label={t.prejoin.microphone}
                    testid="prejoin-mic-select"
                    choices={mics}
                    value={shownMicId(mic)}
                    empty={t.prejoin.deviceNamesHidden}
                    withDefault
                    onChange={(id) => void preview.chooseMic(id)}
                />
                <MicMeter track={mic} label={t.prejoin.micLevel} />
            </div>
            <DeviceSelect
                label={t.prejoin.camera}
                testid="prejoin-camera-select"
                choices={cameras}
                value={shownCameraId(preview.camera.value)}
                empty={t.prejoin.deviceNamesHidden}
                onChange={(id) => void preview.chooseCamera(id)}
            />
            <div class="device">
                <DeviceSelect
                    label={t.prejoin.speaker}
                    testid="prejoin-speaker-select"
                    choices={canChooseSpeaker() ? speakers : []}
                    value={speakerId}
                    empty={t.prejoin.speakerFixed}
                    withDefault
                    onChange={(id) => updateSettings({ speakerId: id })}
                />
                <TestTone speakerId={speakerId} />
            </div>
        </section>
    );
}
