// Makes a meeting at once and goes to it.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { t } from '../i18n';
import { failureText, goTo, startMeeting } from './flow';
import { Frame } from './frame';

export function NewPage(): JSX.Element {
    const problem = useSignal('');
    const start = (): void => {
        problem.value = '';
        // In the place of this page, so that "back" does not make another meeting.
        startMeeting(true).catch((error: unknown) => {
            problem.value = failureText(error);
        });
    };
    useEffect(start, []);
    return (
        <Frame title={t.landing.start}>
            <section class="ended" data-testid="new-page">
                <h1 tabIndex={-1}>{problem.value === '' ? t.landing.starting : t.landing.start}</h1>
                <p role="alert" class="problem">
                    {problem.value}
                </p>
                {problem.value !== '' && (
                    <div class="row">
                        <button type="button" class="button primary big" onClick={start}>
                            {t.landing.start}
                        </button>
                        <button type="button" class="button big" onClick={() => goTo('/')}>
                            {t.home}
                        </button>
                    </div>
                )}
            </section>
        </Frame>
    );
}
