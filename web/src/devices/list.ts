// The devices a person can choose from, and what changed when something was plugged or unplugged. Pure.

export type InputKind = 'audioinput' | 'videoinput';
export type ChoiceKind = InputKind | 'audiooutput';

export interface Choice {
    id: string;
    label: string;
    kind: ChoiceKind;
}

export interface DeviceLike {
    deviceId: string;
    label: string;
    kind: string;
}

/**
 * Choices of one kind, in the browser's order. Devices without id are placeholders shown before permission and are left
 * out. Chromium lists the default and communications devices twice; the aliases are dropped, as the real ones follow.
 */
export function choicesOf(devices: readonly DeviceLike[], kind: ChoiceKind, unnamed: (n: number) => string): Choice[] {
    const real = devices.filter((d) => d.kind === kind && d.deviceId !== '');
    const named = real.filter((d) => d.deviceId !== 'default' && d.deviceId !== 'communications');
    return (named.length > 0 ? named : real).map((d, i) => ({
        id: d.deviceId,
        label: d.label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '') || unnamed(i + 1),
        kind,
    }));
}

/** Of two listings, the chosen device that is gone, if any; nothing if the old listing did not hold it either. */
export function lostChoice(before: readonly Choice[], after: readonly Choice[], id: string): Choice | undefined {
    if (id === '' || after.some((c) => c.id === id)) return undefined;
    return before.find((c) => c.id === id);
}

/** The remembered device while it exists, else nothing, which means the system's default. */
export function usable(choices: readonly Choice[], id: string): string {
    return choices.some((c) => c.id === id) ? id : '';
}
