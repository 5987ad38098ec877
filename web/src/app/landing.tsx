// The first page: start a meeting, make a link for later, or join by link.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { getVersion } from '../api/client';
import { t } from '../i18n';
import { LinkField } from '../ui/copy_link';
import { CodeForm } from './code_form';
import { failureText, goTo, makeMeeting, startMeeting } from './flow';
import { Frame } from './frame';

export function Landing(): JSX.Element {
    return (
        <Frame testid="landing">
            <div class="landing">
                <h1 tabIndex={-1}>{t.landing.title}</h1>
                <p class="lead">{t.landing.lead}</p>
                <StartForm />
                <p class="divider">
                    <span>{t.landing.or}</span>
                </p>
                <CodeForm />
                <footer class="small-print">
                    <p>{t.landing.privacy}</p>
                    <Version />
                    <Licences />
                </footer>
            </div>
        </Frame>
    );
}

function StartForm(): JSX.Element {
    const busy = useSignal(false);
    const problem = useSignal('');
    const later = useSignal('');
    const attempt = async (work: () => Promise<void>): Promise<void> => {
        if (busy.peek()) return;
        busy.value = true;
        problem.value = '';
        try {
            await work();
        } catch (error) {
            problem.value = failureText(error);
        } finally {
            busy.value = false;
        }
    };
    const made = useRef<HTMLHeadingElement>(null);
    const makeLink = async (): Promise<void> => {
        later.value = await makeMeeting();
    };
    // The link is what was asked for: the next Tab is in it, and screen readers say that it is there.
    useEffect(() => made.current?.focus(), [later.value]);
    return (
        <section class="start">
            <div class="row">
                <button
                    type="button"
                    class="button primary big"
                    data-testid="start-meeting"
                    aria-disabled={busy.value}
                    onClick={() => void attempt(startMeeting)}
                >
                    {busy.value ? t.landing.starting : t.landing.start}
                </button>
                <button
                    type="button"
                    class="button big"
                    data-testid="later-link"
                    aria-disabled={busy.value}
                    onClick={() => void attempt(makeLink)}
                >
                    {t.landing.later}
                </button>
            </div>
            <p role="alert" class="problem">
                {problem.value}
            </p>
            {later.value !== '' && (
                <section class="card" aria-label={t.landing.laterTitle}>
                    <h2 ref={made} tabIndex={-1}>
                        {t.landing.laterTitle}
                    </h2>
                    <p>{t.landing.laterText}</p>
                    <LinkField link={`${location.origin}${later.value}`} label={t.landing.laterTitle} />
                    <button type="button" class="button quiet" onClick={() => goTo(later.peek(), true)}>
                        {t.landing.laterOpen}
                    </button>
                </section>
            )}
        </section>
    );
}

function Version(): JSX.Element | null {
    const version = useSignal('');
    const bundle = useSignal('');
    useEffect(() => {
        getVersion().then(
            (answer) => {
                version.value = answer.version;
                bundle.value = answer.bundleSha256;
            },
            // The version is only information; without it the line is left out.
            () => undefined,
        );
    }, []);
    if (version.value === '') return null;
    return <p title={bundle.value ? `sha256:${bundle.value}` : undefined}>{t.landing.version(version.value)}</p>;
}

/** The build names the file in the page's head, since its address carries a hash. */
function Licences(): JSX.Element | null {
    const href = document.querySelector<HTMLLinkElement>('link[rel=license]')?.href;
    return href ? (
        <p>
            <a href={href}>{t.landing.licences}</a>
        </p>
    ) : null;
}
