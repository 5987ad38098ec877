// The pages after a meeting, one per reason, each with what can be done next.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { t } from '../i18n';
import { rejoinOf, type EndReason } from '../meeting/reasons';
import { backToPrejoin, failureText, goTo, rejoin, startMeeting } from './flow';
import { CodeForm } from './code_form';
import { Frame } from './frame';
import { Waiting } from './prejoin';

export function EndedPage({ id, reason }: { id: string; reason: EndReason }): JSX.Element {
    const busy = useSignal(false);
    const problem = useSignal('');
    const way = rejoinOf(reason);
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
    const again = async (): Promise<void> => {
        if (way === 'direct') await rejoin(id);
        else backToPrejoin(id, false);
    };
    return (
        <Frame title={t.ended[reason].title}>
            <section class="ended" data-testid="ended-page" data-reason={reason}>
                <h1 tabIndex={-1}>{t.ended[reason].title}</h1>
                <p class="lead">{t.ended[reason].text}</p>
                {reason === 'incomplete' && <CodeForm id={id} />}
                <div class="row">
                    {way !== 'none' && (
                        <button
                            type="button"
                            class="button primary big"
                            data-testid="rejoin"
                            aria-disabled={busy.value}
                            onClick={() => void attempt(again)}
                        >
                            {busy.value ? t.ended.rejoining : reason === 'elsewhere' ? t.ended.useHere : t.ended.rejoin}
                        </button>
                    )}
                    {(reason === 'ended' || reason === 'not_found') && (
                        <button
                            type="button"
                            class="button primary big"
                            data-testid="start-new"
                            aria-disabled={busy.value}
                            onClick={() => void attempt(startMeeting)}
                        >
                            {t.ended.startNew}
                        </button>
                    )}
                    <button type="button" class="button big" data-testid="go-home" onClick={() => goTo('/')}>
                        {t.home}
                    </button>
                </div>
                <Waiting />
                <p role="alert" class="problem">
                    {problem.value}
                </p>
                {(reason === 'not_found' || reason === 'mismatch' || reason === 'refused') && <CodeForm />}
            </section>
        </Frame>
    );
}

export function UnknownPage(): JSX.Element {
    return (
        <Frame title={t.ended.unknownPage.title}>
            <section class="ended" data-testid="unknown-page">
                <h1 tabIndex={-1}>{t.ended.unknownPage.title}</h1>
                <p class="lead">{t.ended.unknownPage.text}</p>
                <div class="row">
                    <button type="button" class="button primary big" onClick={() => goTo('/')}>
                        {t.home}
                    </button>
                </div>
                <CodeForm />
            </section>
        </Frame>
    );
}
