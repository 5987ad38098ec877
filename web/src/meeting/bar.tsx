// The controls bar: microphone and camera with their devices, sharing, chat, people, more, and leave, apart and red.
import type { JSX } from 'preact';
import { settings, updateSettings, type Theme } from '../app/settings';
import { devices, refreshDevices } from '../devices/media';
import { keyboardLikely } from '../devices/platform';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { copyMeetingLink } from '../ui/copy_link';
import { deviceSection, type DeviceChooser } from '../ui/device_menu';
import { isFullScreen, toggleFullScreen } from '../ui/full_screen';
import type { MenuItemSpec, MenuSection } from '../ui/menu';
import { MenuButton } from '../ui/menu_button';
import { MicMeter } from '../ui/mic_meter';
import { shownKeys, type Controls } from './controls';
import { REACTIONS } from './roster';
import { SecurityLine } from './security_line';
import type { Mode } from './stage';

const CAN_SHARE =
    typeof (navigator.mediaDevices as { getDisplayMedia?: unknown } | undefined)?.getDisplayMedia === 'function';

export function chooserOf(controls: Controls): DeviceChooser {
    const media = controls.session.media;
    return {
        activeId: (kind) => media.activeId(kind),
        choose: (kind, id) => void media.choose(kind, id),
    };
}

export function Bar({ controls }: { controls: Controls }): JSX.Element {
    return (
        <section class="bar" aria-label={t.bar.label}>
            <SecurityLine controls={controls} />
            <MicGroup controls={controls} />
            <CameraGroup controls={controls} />
            {CAN_SHARE && <ShareButton controls={controls} />}
            <HandButton controls={controls} />
            <ReactionButton controls={controls} />
            <PanelButtons controls={controls} />
            <MoreButton controls={controls} />
            <IconButton
                icon="leave"
                label={t.bar.leave}
                tone="danger"
                testid="leave"
                extraClass="leave"
                onClick={() => controls.session.leave()}
            />
        </section>
    );
}

function MicGroup({ controls }: { controls: Controls }): JSX.Element {
    const { media, link } = controls.session;
    const on = media.mic.on.value;
    const away = link.value === 'reconnecting';
    const chooser = chooserOf(controls);
    return (
        <span class={`device-group ${away && on ? 'away' : ''}`}>
            <IconButton
                icon={on ? 'mic' : 'micOff'}
                label={t.bar.mic}
                tip={on ? t.bar.micOn : t.bar.micOff}
                shortcut={shownKeys('mic')}
                pressed={on}
                tone={on ? 'plain' : 'off'}
                testid="toggle-mic"
                onClick={() => controls.toggleMic()}
            >
                {on && !away && <MicMeter track={media.meterTrack.value} />}
                {on && away && <span class="sr-only">{t.bar.micNotSending}</span>}
            </IconButton>
            <MenuButton
                icon="arrowUp"
                label={t.bar.micMenu}
                extraClass="device-arrow"
                align="start"
                onOpen={() => void refreshDevices()}
                sections={() => [
                    deviceSection('audioinput', devices.value, chooser),
                    deviceSection('audiooutput', devices.value, chooser),
                ]}
            />
        </span>
    );
}

function CameraGroup({ controls }: { controls: Controls }): JSX.Element {
    const { media } = controls.session;
    const on = media.camera.on.value;
    return (
        <span class="device-group">
            <IconButton
                icon={on ? 'camera' : 'cameraOff'}
                label={t.bar.camera}
                tip={on ? t.bar.cameraOn : t.bar.cameraOff}
                shortcut={shownKeys('camera')}
                pressed={on}
                tone={on ? 'plain' : 'off'}
                testid="toggle-camera"
                onClick={() => controls.toggleCamera()}
            />
            <MenuButton
                icon="arrowUp"
                label={t.bar.cameraMenu}
                extraClass="device-arrow"
                align="start"
                onOpen={() => void refreshDevices()}
                sections={() => [deviceSection('videoinput', devices.value, chooserOf(controls))]}
            />
        </span>
    );
}

function ShareButton({ controls }: { controls: Controls }): JSX.Element {
    const on = controls.session.media.screen.on.value;
    return (
        <IconButton
            icon="share"
            label={t.bar.share}
            tip={on ? t.bar.unshare : t.bar.share}
            pressed={on}
            tone={on ? 'active' : 'plain'}
            testid="share-screen"
            extraClass="share"
            onClick={() => controls.toggleShare()}
        />
    );
}

function HandButton({ controls }: { controls: Controls }): JSX.Element {
    const raised = controls.session.roster.self.value?.handRaised.value ?? false;
    return (
        <IconButton
            icon="hand"
            label={t.bar.hand}
            tip={raised ? t.bar.lowerHand : t.bar.raiseHand}
            pressed={raised}
            tone={raised ? 'active' : 'plain'}
            testid="toggle-hand"
            extraClass="wide-only"
            onClick={() => controls.toggleHand()}
        />
    );
}

function ReactionButton({ controls }: { controls: Controls }): JSX.Element {
    return (
        <MenuButton
            icon="smile"
            label={t.bar.react}
            testid="open-reactions"
            extraClass="wide-only"
            sections={() => [reactions(controls)]}
        />
    );
}

function reactions(controls: Controls): MenuSection {
    return {
        title: t.bar.react,
        items: REACTIONS.map((emoji, i) => ({
            label: `${emoji} ${t.bar.reactions[i] ?? ''}`,
            testid: `react-${i}`,
            onSelect: () => controls.react(emoji),
        })),
    };
}

function PanelButtons({ controls }: { controls: Controls }): JSX.Element {
    const { chat, roster } = controls.session;
    const panel = controls.panel.value;
    const unread = panel === 'chat' ? 0 : chat.unread.value;
    const count = roster.people.value.length;
    return (
        <>
            <IconButton
                icon="chat"
                label={unread > 0 ? `${t.bar.chat}, ${t.bar.unread(unread)}` : t.bar.chat}
                shortcut={shownKeys('chat')}
                expanded={panel === 'chat'}
                controls="side-panel"
                tone={panel === 'chat' ? 'active' : 'plain'}
                testid="open-chat"
                onClick={() => controls.togglePanel('chat')}
            >
                {unread > 0 && (
                    <span class="badge" data-testid="chat-unread" aria-hidden="true">
                        {unread > 99 ? '99+' : unread}
                    </span>
                )}
            </IconButton>
            <IconButton
                icon="people"
                label={`${t.bar.people}, ${t.bar.count(count)}`}
                shortcut={shownKeys('people')}
                expanded={panel === 'people'}
                controls="side-panel"
                tone={panel === 'people' ? 'active' : 'plain'}
                testid="open-people"
                onClick={() => controls.togglePanel('people')}
            >
                <span class="badge quiet" aria-hidden="true">
                    {count}
                </span>
            </IconButton>
        </>
    );
}

function MoreButton({ controls }: { controls: Controls }): JSX.Element {
    return (
        <MenuButton
            icon="more"
            label={t.bar.more}
            align="end"
            testid="open-more"
            sections={() => moreSections(controls)}
        />
    );
}

/** What the style sheet leaves out of the bar is in the menu: it alone decides, by whatever rule, at every width and zoom. */
function inBar(testid: string): boolean {
    return (document.querySelector(`.bar [data-testid="${testid}"]`)?.getClientRects().length ?? 0) > 0;
}

function moreSections(controls: Controls): MenuSection[] {
    const { view, session } = controls;
    const mode = (value: Mode, label: string): MenuItemSpec => ({
        label,
        role: 'menuitemradio',
        checked: view.mode.value === value,
        testid: `layout-${value}`,
        onSelect: () => view.setMode(value),
    });
    const theme = (value: Theme, label: string): MenuItemSpec => ({
        label,
        role: 'menuitemradio',
        checked: settings.value.theme === value,
        onSelect: () => updateSettings({ theme: value }),
    });
    const sharing = session.media.screen.on.value;
    const share: MenuItemSpec = {
        label: sharing ? t.bar.unshare : t.bar.share,
        icon: 'share',
        onSelect: () => controls.toggleShare(),
    };
    const hand: MenuItemSpec = {
        label: session.roster.self.peek()?.handRaised.peek() ? t.bar.lowerHand : t.bar.raiseHand,
        icon: 'hand',
        onSelect: () => controls.toggleHand(),
    };
    const host = session.secure.people.peek().get(session.roster.self.peek()?.identity ?? '')?.host ?? false;
    return [
        ...(inBar('toggle-hand') ? [] : [{ items: [hand] }]),
        ...(inBar('open-reactions') ? [] : [reactions(controls)]),
        {
            title: t.more.layout,
            items: [
                mode('gallery', t.more.gallery),
                mode('speaker', t.more.speaker),
                {
                    label: t.more.selfView,
                    role: 'menuitemcheckbox',
                    checked: settings.value.selfView,
                    testid: 'self-view',
                    onSelect: () => updateSettings({ selfView: !settings.peek().selfView }),
                },
            ],
        },
        {
            title: t.more.theme,
            items: [theme('system', t.more.system), theme('light', t.more.light), theme('dark', t.more.dark)],
        },
        {
            items: [
                ...(CAN_SHARE && !inBar('share-screen') ? [share] : []),
                {
                    label: isFullScreen.value ? t.more.exitFullScreen : t.more.fullScreen,
                    icon: 'fullScreen',
                    hint: shownKeys('fullscreen'),
                    onSelect: () => void toggleFullScreen(),
                },
                ...(host
                    ? [
                          {
                              label: t.more.rename,
                              testid: 'open-title',
                              onSelect: () => {
                                  controls.dialog.value = 'title';
                              },
                          } satisfies MenuItemSpec,
                      ]
                    : []),
                { label: t.more.copyLink, icon: 'copy', testid: 'copy-link', onSelect: () => void copyMeetingLink() },
                {
                    label: t.more.devices,
                    icon: 'settings',
                    testid: 'open-devices',
                    onSelect: () => {
                        controls.dialog.value = 'devices';
                    },
                },
                ...(keyboardLikely.value
                    ? [
                          {
                              label: t.more.shortcuts,
                              icon: 'keyboard',
                              hint: shownKeys('help'),
                              onSelect: () => {
                                  controls.dialog.value = 'shortcuts';
                              },
                          } satisfies MenuItemSpec,
                      ]
                    : []),
            ],
        },
    ];
}
