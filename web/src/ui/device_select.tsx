// A labelled drop-down of devices of one kind.
import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import type { Choice } from '../devices/list';
import { t } from '../i18n';

export interface DeviceSelectProps {
    label: string;
    choices: readonly Choice[];
    value: string;
    onChange: (id: string) => void;
    /** What to say when there is nothing to choose. */
    empty: string;
    /** Offer the system's default as the first choice. */
    withDefault?: boolean;
    testid?: string;
}

export function DeviceSelect(props: DeviceSelectProps): JSX.Element {
    const id = useId();
    const { choices, value } = props;
    const known = choices.some((choice) => choice.id === value);
    return (
        <div class="device-select">
            <label htmlFor={id}>{props.label}</label>
            <select
                id={id}
                class="field"
                data-testid={props.testid}
                disabled={choices.length === 0}
                value={known ? value : ''}
                onChange={(event) => props.onChange(event.currentTarget.value)}
            >
                {choices.length === 0 && <option value="">{props.empty}</option>}
                {choices.length > 0 && (props.withDefault || !known) && (
                    <option value="">{t.prejoin.systemDefault}</option>
                )}
                {choices.map((choice) => (
                    <option key={choice.id} value={choice.id}>
                        {choice.label}
                    </option>
                ))}
            </select>
        </div>
    );
}
