// Full screen of the whole page, as a signal.
import { signal, type ReadonlySignal } from '@preact/signals';
import { t } from '../i18n';
import { toast } from './toast';

const state = signal(false);
export const isFullScreen: ReadonlySignal<boolean> = state;

document.addEventListener('fullscreenchange', () => {
    state.value = document.fullscreenElement !== null;
});

export async function toggleFullScreen(): Promise<void> {
    try {
        if (document.fullscreenElement) await document.exitFullscreen();
        else await document.documentElement.requestFullscreen();
    } catch {
        toast(t.meeting.fullScreenFailed);
    }
}
