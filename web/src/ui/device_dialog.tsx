// Says why a device cannot be used and what to do about it, for this browser and system.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { problemSteps, problemTitle, type DeviceProblem } from '../devices/errors';
import { thisPlatform } from '../devices/platform';
import { t } from '../i18n';
import { Dialog } from './dialog';

const shown = signal<DeviceProblem | undefined>(undefined);

export function explainProblem(problem: DeviceProblem): void {
    shown.value = problem;
}

export function DeviceProblemDialog(): JSX.Element | null {
    const problem = shown.value;
    if (!problem) return null;
    const close = (): void => {
        shown.value = undefined;
    };
    return (
        <Dialog
            key={`${problem.kind}-${problem.cause}`}
            title={problemTitle(problem)}
            onClose={close}
            testid="device-problem"
        >
            <ol class="steps" data-cause={problem.cause}>
                {problemSteps(problem, thisPlatform()).map((step) => (
                    <li>{step}</li>
                ))}
            </ol>
            <p class="muted">{t.device.carryOn}</p>
            <div class="dialog-actions">
                <button type="button" class="button primary" onClick={close}>
                    {t.device.understood}
                </button>
            </div>
        </Dialog>
    );
}
