// A button that plays the test tone through the chosen speaker.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { playTestTone } from '../devices/tone';
import { t } from '../i18n';
import { Icon } from './icons';

export function TestTone({ speakerId }: { speakerId: string }): JSX.Element {
    const playing = useSignal(false);
    return (
        <button
            type="button"
            class="button"
            data-testid="test-tone"
            aria-disabled={playing.value}
            onClick={() => {
                if (playing.peek()) return;
                playing.value = true;
                void playTestTone(speakerId)
                    .catch(() => undefined)
                    .finally(() => {
                        playing.value = false;
                    });
            }}
        >
            <Icon name="speaker" size={18} />
            {playing.value ? t.prejoin.testPlaying : t.prejoin.testSpeaker}
        </button>
    );
}
