// How safe the meeting is, in words and all the time: at the start of the bar, and over the pictures when it is not as it should be.
import type { JSX } from 'preact';
import { t } from '../i18n';
import { Icon } from '../ui/icons';
import type { Controls } from './controls';
import { LOOKS } from './security';
import type { SecurityWatch } from './security_watch';

export function titleOf(watch: SecurityWatch): string {
    const now = watch.standing.value;
    return t.security.standing[now].title(watch.names(now).split(', ').length);
}

export function SecurityLine({ controls }: { controls: Controls }): JSX.Element {
    const watch = controls.session.security;
    const now = watch.standing.value;
    const { tone, icon } = LOOKS[now];
    const open = controls.panel.value === 'security';
    const title = titleOf(watch);
    return (
        <>
            <button
                type="button"
                class={`security-line tone-${tone} ${open ? 'open' : ''}`}
                aria-label={`${t.security.title}: ${title}`}
                aria-expanded={open}
                aria-controls="side-panel"
                data-testid="open-security"
                data-standing={now}
                onClick={() => controls.togglePanel('security')}
            >
                <Icon name={icon} size={22} />
                <span class="security-words">{title}</span>
            </button>
            <span class="sr-only" role={tone === 'danger' ? 'alert' : 'status'}>
                {title}
            </span>
        </>
    );
}

/** What needs a look stays in sight, whatever panel is open and however small the screen is; who cannot be decrypted has a poster. */
export function SecurityBanner({ controls }: { controls: Controls }): JSX.Element | null {
    const watch = controls.session.security;
    const now = watch.standing.value;
    if ((now !== 'differ' && now !== 'outsider') || controls.panel.value === 'security') return null;
    return (
        <p class="banner danger-banner" data-testid="security-banner" data-standing={now}>
            <Icon name={LOOKS[now].icon} size={18} />
            <span>{titleOf(watch)}</span>
            <button type="button" class="button" onClick={() => controls.togglePanel('security')}>
                {t.security.whatToDo}
            </button>
        </p>
    );
}
