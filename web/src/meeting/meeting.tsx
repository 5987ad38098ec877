// The meeting screen: gallery, side panel, bar, banners, sound, and the keyboard.
import { effect } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { hasVisible, settings } from '../app/settings';
import { isMac, thisPlatform } from '../devices/platform';
import { SilenceWatch } from '../devices/silence';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { Icon } from '../ui/icons';
import { clockTime, cutText } from '../ui/text';
import { toast } from '../ui/toast';
import { watchForAnnouncements } from './announcements';
import { AudioLayer } from './audio';
import { Bar } from './bar';
import { ChatPanel } from './chat_panel';
import { Controls, shownKeys } from './controls';
import { MeetingDialogs } from './dialogs';
import { Gallery } from './gallery';
import { PeoplePanel } from './people_panel';
import type { Session } from './session';
import { SecurityBanner } from './security_line';
import { SecurityPanel } from './security_panel';
import { actionOf, isTyping } from './shortcuts';
import { View } from './view';

const mac = isMac(thisPlatform());

export function MeetingScreen({ session }: { session: Session }): JSX.Element {
    const controls = useMemo(() => new Controls(session, new View(session.roster)), [session]);
    useEffect(() => {
        session.onMessage = (message) => {
            if (controls.panel.peek() === 'chat') return;
            const what = message.file ? t.chat.fileNotice(message.file.name) : shorten(message.text);
            const text = t.chat.notice(message.name, what);
            toast(text, { group: 'chat', action: { label: t.bar.chat, run: () => controls.togglePanel('chat') } });
        };
        return () => {
            controls.view.close();
        };
    }, [controls]);
    const root = useRef<HTMLElement>(null);
    useEffect(() => root.current?.focus(), []);
    useShortcuts(controls);
    useSilenceNote(session);
    useEffect(() => watchForAnnouncements(session), [session]);
    return (
        <main ref={root} tabIndex={-1} class="meeting" data-testid="meeting" data-link={session.link.value}>
            <SkipToBar />
            <Title session={session} />
            <div class="meeting-view">
                <Gallery view={controls.view} roster={session.roster} />
                <Banners session={session} controls={controls} />
            </div>
            <Bar controls={controls} />
            <SidePanel controls={controls} />
            <AudioLayer roster={session.roster} />
            <MeetingDialogs controls={controls} />
        </main>
    );
}

/** As much of a message as a note can hold. */
const NOTE_MAX_CHARS = 120;

function shorten(text: string): string {
    const line = text.replace(/\s+/g, ' ').trim();
    const short = cutText(line, Infinity, NOTE_MAX_CHARS);
    return short === line ? line : `${short}…`;
}

function useSilenceNote(session: Session): void {
    useEffect(() => {
        const watch = new SilenceWatch(() => toast(t.meeting.silent, { urgent: true }));
        const unfollow = effect(() => watch.follow(session.media.meterTrack.value));
        return () => {
            unfollow();
            watch.stop();
        };
    }, [session]);
}

function useShortcuts(controls: Controls): void {
    useEffect(() => {
        const onKey = (event: KeyboardEvent): void => {
            if (!settings.peek().shortcuts || isTyping(document.activeElement as HTMLElement | null)) return;
            // A dialog has the keyboard for itself.
            if (document.querySelector('dialog[open]')) return;
            const action = actionOf(event, mac);
            if (!action) return;
            event.preventDefault();
            controls.run(action);
        };
        window.addEventListener('keydown', onKey);
        return () => window.removeEventListener('keydown', onKey);
    }, [controls]);
}

function Banners({ session, controls }: { session: Session; controls: Controls }): JSX.Element {
    const away = session.link.value === 'reconnecting';
    const weak = session.roster.self.value?.quality.value;
    const stops = session.stopsAtMs.value;
    const clockOff = session.clockOffSeconds.value;
    return (
        <div class="banners">
            <SecurityBanner controls={controls} />
            <div role="alert">
                {away && (
                    <p class="banner warn" data-testid="reconnecting" data-cause={session.serverDown.value ? 'shutdown' : 'lost'}>
                        <span class="spinner" aria-hidden="true" />
                        <span>{session.serverDown.value ? t.meeting.restarting : t.meeting.reconnecting}</span>
                    </p>
                )}
            </div>
            <div role="status">
                {stops !== undefined && !away && (
                    <p class="banner warn" data-testid="closing">
                        <Icon name="warning" size={18} />
                        <span>{t.meeting.closing(clockTime(stops))}</span>
                    </p>
                )}
                {clockOff !== 0 && (
                    <p class="banner" data-testid="clock-wrong">
                        <span>{t.meeting.clock(clockOff)}</span>
                        <button type="button" class="button" onClick={() => session.clockRead()}>
                            {t.device.understood}
                        </button>
                    </p>
                )}
                {!away && (weak === 'poor' || weak === 'lost') && (
                    <p class="banner" data-testid="weak-connection">
                        <Icon name="weak" size={18} />
                        <span>{t.meeting.selfPoor}</span>
                    </p>
                )}
                {session.media.speakingMuted.value && (
                    <p class="banner" data-testid="speaking-muted">
                        <Icon name="micOff" size={18} />
                        <span>{t.meeting.mutedHint(shownKeys('mic') ?? '')}</span>
                    </p>
                )}
            </div>
            {session.media.screen.on.value && (
                <p class="banner" data-testid="own-share">
                    <Icon name="share" size={18} />
                    <span>{t.meeting.youShare}</span>
                    <button type="button" class="button danger" onClick={() => void session.media.screen.set(false)}>
                        {t.meeting.stopSharing}
                    </button>
                </p>
            )}
            {!session.canPlay.value && (
                <p class="banner warn">
                    <Icon name="speaker" size={18} />
                    <span>{t.meeting.hearText}</span>
                    <button
                        type="button"
                        class="button primary"
                        data-testid="start-playback"
                        onClick={() => void session.startPlayback()}
                    >
                        {t.meeting.hear}
                    </button>
                </p>
            )}
        </div>
    );
}

function Title({ session }: { session: Session }): JSX.Element {
    const sealed = session.secure.title.value;
    const title = hasVisible(sealed) ? sealed : '';
    useEffect(() => {
        // Not with the meeting's name, which is sealed: browsers keep titles in their history.
        document.title = `${t.meeting.title} – ${t.appName}`;
    }, []);
    return (
        <h1 class={title === '' ? 'sr-only' : 'meeting-title'} dir="auto" data-testid="meeting-title">
            {title || t.meeting.title}
        </h1>
    );
}

/** A button, since a link to a part of the page would put its name in the place of the meeting's key. */
function SkipToBar(): JSX.Element {
    return (
        <button
            type="button"
            class="button primary skip"
            data-testid="skip-to-bar"
            onClick={() => document.querySelector<HTMLElement>('.bar [data-testid="toggle-mic"]')?.focus()}
        >
            {t.announce.skip}
        </button>
    );
}

function SidePanel({ controls }: { controls: Controls }): JSX.Element | null {
    const panel = controls.panel.value;
    const ref = useRef<HTMLElement>(null);
    useEffect(() => {
        const element = ref.current;
        if (!element) return;
        (element.querySelector<HTMLElement>('[data-autofocus]') ?? element.querySelector<HTMLElement>('h2'))?.focus();
    }, [panel]);
    if (!panel) return null;
    const title = { chat: t.chat.title, people: t.people.title, security: t.security.title }[panel];
    return (
        <section
            ref={ref}
            id="side-panel"
            class="side-panel"
            aria-label={title}
            data-testid={`panel-${panel}`}
            onKeyDown={(event) => {
                if (event.key !== 'Escape') return;
                event.stopPropagation();
                controls.closePanel();
            }}
        >
            <header>
                <h2 tabIndex={-1}>{title}</h2>
                <IconButton icon="close" label={t.close} onClick={() => controls.closePanel()} />
            </header>
            {panel === 'chat' && <ChatPanel chat={controls.session.chat} roster={controls.session.roster} />}
            {panel === 'people' && <PeoplePanel roster={controls.session.roster} view={controls.view} />}
            {panel === 'security' && (
                <SecurityPanel watch={controls.session.security} leave={() => controls.session.leave()} />
            )}
        </section>
    );
}
