// Dialogs of the meeting: devices, and the list of shortcuts with its switch.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { leaveAsked } from '../app/leaving';
import { settings, updateSettings } from '../app/settings';
import { canChooseSpeaker, devices } from '../devices/media';
import { isMac, thisPlatform } from '../devices/platform';
import { t } from '../i18n';
import { canSend, VIDEO_CODECS, type VideoCodec } from '../secure/codecs';
import { DeviceSelect } from '../ui/device_select';
import { Dialog } from '../ui/dialog';
import { TestTone } from '../ui/test_tone';
import { toast } from '../ui/toast';
import type { Controls } from './controls';
import { sentCodec } from './local_media';
import { ACTIONS, keysOf } from './shortcuts';

export function MeetingDialogs({ controls }: { controls: Controls }): JSX.Element | null {
    const close = (): void => {
        controls.dialog.value = undefined;
    };
    if (leaveAsked.value) return <LeaveDialog controls={controls} />;
    switch (controls.dialog.value) {
        case 'shortcuts':
            return <ShortcutsDialog onClose={close} />;
        case 'devices':
            return <DevicesDialog controls={controls} onClose={close} />;
        case 'title':
            return <TitleDialog controls={controls} onClose={close} />;
        default:
            return null;
    }
}

function LeaveDialog({ controls }: { controls: Controls }): JSX.Element {
    const stay = (): void => {
        leaveAsked.value = false;
    };
    return (
        <Dialog title={t.leaveDialog.title} onClose={stay} testid="leave-dialog">
            <p>{t.leaveDialog.text}</p>
            <div class="dialog-actions">
                <button type="button" class="button" data-testid="leave-stay" onClick={stay}>
                    {t.leaveDialog.stay}
                </button>
                <button
                    type="button"
                    class="button danger"
                    data-testid="leave-anyway"
                    onClick={() => {
                        stay();
                        controls.session.leave();
                    }}
                >
                    {t.leaveDialog.leave}
                </button>
            </div>
        </Dialog>
    );
}

function ShortcutsDialog({ onClose }: { onClose: () => void }): JSX.Element {
    const mac = isMac(thisPlatform());
    return (
        <Dialog title={t.shortcuts.title} onClose={onClose} testid="shortcuts-dialog">
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="shortcuts-enabled"
                    checked={settings.value.shortcuts}
                    onChange={(event) => updateSettings({ shortcuts: event.currentTarget.checked })}
                />
                {t.shortcuts.enable}
            </label>
            <p class="muted">{t.shortcuts.note}</p>
            <dl class={settings.value.shortcuts ? 'keys' : 'keys off'}>
                {ACTIONS.map((action) => (
                    <div key={action}>
                        <dt>{t.shortcuts[action]}</dt>
                        <dd>
                            <kbd>{keysOf(action, mac)}</kbd>
                        </dd>
                    </div>
                ))}
            </dl>
        </Dialog>
    );
}

/** UTF-8 takes at most three bytes for each of these; the group carries 256. */
const TITLE_MAX_CHARS = 80;

function TitleDialog({ controls, onClose }: { controls: Controls; onClose: () => void }): JSX.Element {
    const { secure } = controls.session;
    const text = useSignal(secure.title.peek());
    return (
        <Dialog title={t.titleDialog.title} onClose={onClose} testid="title-dialog">
            <form
                onSubmit={(event) => {
                    event.preventDefault();
                    void secure.setTitle(text.peek().trim()).then(onClose, () => toast(t.titleDialog.failed, { urgent: true }));
                }}
            >
                <label>
                    {t.titleDialog.label}
                    <input
                        class="field"
                        data-testid="title-input"
                        maxLength={TITLE_MAX_CHARS}
                        value={text.value}
                        dir="auto"
                        onInput={(event) => {
                            text.value = event.currentTarget.value;
                        }}
                    />
                </label>
                <p class="muted">{t.titleDialog.note}</p>
                <button type="submit" class="button primary" data-testid="title-save">
                    {t.titleDialog.save}
                </button>
            </form>
        </Dialog>
    );
}

function CodecSelect({ onChange }: { onChange: (codec: VideoCodec) => void }): JSX.Element {
    const id = useId();
    return (
        <div class="device-select">
            <label htmlFor={id}>{t.settings.codec}</label>
            <select
                id={id}
                class="field"
                data-testid="video-codec"
                value={sentCodec()}
                onChange={(event) => onChange(event.currentTarget.value as VideoCodec)}
            >
                {VIDEO_CODECS.map((codec) => (
                    <option key={codec} value={codec} disabled={!canSend(codec)}>
                        {canSend(codec) ? t.settings.codecs[codec] : t.settings.codecMissing(t.settings.codecs[codec])}
                    </option>
                ))}
            </select>
            <p class="muted">{t.settings.codecNote}</p>
        </div>
    );
}

function DevicesDialog({ controls, onClose }: { controls: Controls; onClose: () => void }): JSX.Element {
    const media = controls.session.media;
    const { mics, cameras, speakers } = devices.value;
    return (
        <Dialog title={t.settings.title} onClose={onClose} testid="devices-dialog">
            <DeviceSelect
                label={t.prejoin.microphone}
                choices={mics}
                value={media.activeId('audioinput')}
                empty={t.prejoin.deviceNamesHidden}
                withDefault
                onChange={(id) => void media.choose('audioinput', id)}
            />
            <DeviceSelect
                label={t.prejoin.camera}
                choices={cameras}
                value={media.activeId('videoinput')}
                empty={t.prejoin.deviceNamesHidden}
                onChange={(id) => void media.choose('videoinput', id)}
            />
            <DeviceSelect
                label={t.prejoin.speaker}
                choices={canChooseSpeaker() ? speakers : []}
                value={media.activeId('audiooutput')}
                empty={t.prejoin.speakerFixed}
                withDefault
                onChange={(id) => void media.choose('audiooutput', id)}
            />
            <TestTone speakerId={media.activeId('audiooutput')} />
            <CodecSelect onChange={(codec) => void media.chooseCodec(codec)} />
        </Dialog>
    );
}
