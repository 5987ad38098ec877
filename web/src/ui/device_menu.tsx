// Device choices as menu sections, the same before and in the meeting.
import type { MenuItemSpec, MenuSection } from './menu';
import { canChooseSpeaker, type DeviceChoices } from '../devices/media';
import type { Choice, ChoiceKind } from '../devices/list';
import { t } from '../i18n';

export interface DeviceChooser {
    activeId(kind: ChoiceKind): string;
    choose(kind: ChoiceKind, id: string): void;
}

const TITLES: Record<ChoiceKind, string> = {
    audioinput: t.prejoin.microphone,
    videoinput: t.prejoin.camera,
    audiooutput: t.prejoin.speaker,
};

function choicesFor(kind: ChoiceKind, all: DeviceChoices): Choice[] {
    if (kind === 'audioinput') return all.mics;
    return kind === 'videoinput' ? all.cameras : all.speakers;
}

export function deviceSection(kind: ChoiceKind, all: DeviceChoices, chooser: DeviceChooser): MenuSection {
    const choices = choicesFor(kind, all);
    const fixed = kind === 'audiooutput' && (!canChooseSpeaker() || choices.length === 0);
    if (fixed || choices.length === 0) {
        const label = fixed ? t.prejoin.speakerFixed : t.prejoin.deviceNamesHidden;
        return { title: TITLES[kind], items: [{ label, onSelect: () => undefined, disabled: true }] };
    }
    const active = chooser.activeId(kind);
    const known = choices.some((choice) => choice.id === active);
    const items: MenuItemSpec[] = choices.map((choice) => ({
        label: choice.label,
        role: 'menuitemradio',
        checked: choice.id === active,
        onSelect: () => chooser.choose(kind, choice.id),
    }));
    if (kind !== 'videoinput') {
        items.unshift({
            label: t.prejoin.systemDefault,
            role: 'menuitemradio',
            checked: !known,
            onSelect: () => chooser.choose(kind, ''),
        });
    }
    return { title: TITLES[kind], items };
}
