// The field for a meeting's link, on the first page and where a link turned out to be incomplete.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { t } from '../i18n';
import { parseFragment } from '../secure/link';
import { goTo } from './flow';
import { meetingPath, parseMeetingInput, type MeetingInput } from './route';

/** `incomplete`: the part that was asked for is not in it, either. */
type Answer = MeetingInput | { kind: 'incomplete' };

/** `id`: of the meeting whose link lacks its part; that part alone may be given then. */
export function CodeForm({ id }: { id?: string }): JSX.Element {
    const answer = useSignal<Answer | undefined>(undefined);
    const field = useRef<HTMLInputElement>(null);
    const submit = (event: Event): void => {
        event.preventDefault();
        const input = parseMeetingInput(field.current?.value ?? '', location.origin, id);
        const again = input.kind === 'meeting' && id !== undefined && !parseFragment(input.hash);
        if (input.kind === 'meeting' && !again) {
            goTo(meetingPath(input.id, input.hash));
            return;
        }
        answer.value = again ? { kind: 'incomplete' } : input;
        field.current?.focus();
    };
    const wrong = answer.value !== undefined;
    return (
        <form class="code-form" noValidate onSubmit={submit}>
            <label htmlFor="join-code">{id === undefined ? t.landing.codeLabel : t.landing.codeLabelPart}</label>
            <div class="row">
                <input
                    ref={field}
                    id="join-code"
                    class="field"
                    data-testid="join-code"
                    type="text"
                    inputMode="url"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck={false}
                    aria-invalid={wrong}
                    aria-describedby="join-code-hint"
                    onInput={() => {
                        answer.value = undefined;
                    }}
                />
                <button type="submit" class="button big" data-testid="join-code-submit">
                    {t.landing.join}
                </button>
            </div>
            <p id="join-code-hint" class={wrong ? 'problem' : 'muted'} role={wrong ? 'alert' : undefined}>
                <CodeAnswer answer={answer.value} id={id} />
            </p>
        </form>
    );
}

function CodeAnswer({ answer, id }: { answer: Answer | undefined; id: string | undefined }): JSX.Element {
    switch (answer?.kind) {
        case 'empty':
            return <>{t.landing.codeEmpty}</>;
        case 'incomplete':
            return <>{t.landing.codeIncomplete}</>;
        case 'invalid':
            return <>{t.landing.codeInvalid}</>;
        case 'elsewhere':
            return (
                <>
                    {t.landing.codeElsewhere(answer.host)}{' '}
                    <a href={answer.href} rel="noopener noreferrer">
                        {t.landing.codeElsewhereGo(answer.host)}
                    </a>
                </>
            );
        default:
            return <>{id === undefined ? t.landing.codeHint : t.landing.codeHintPart}</>;
    }
}
