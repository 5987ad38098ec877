// Tells screen readers of hands and reactions, which are shown as pictures, and of microphone and camera when they change away from
// their buttons: by a shortcut, or by themselves.
import { effect } from '@preact/signals';
import { t } from '../i18n';
import { announce } from '../ui/announcer';
import { REACTIONS, type Person } from './roster';
import type { Session } from './session';

/** Above this, single names are noise. */
const NAMED_MAX = 3;

/** Who reacts how, within one announcement. Pure. */
export class Reactions {
    private readonly names = new Map<string, Set<string>>();

    /** The sentence for everybody who reacted so since the last `clear`. */
    add(label: string, name: string): string {
        const names = this.names.get(label) ?? new Set();
        this.names.set(label, names.add(name));
        return names.size <= NAMED_MAX ? t.announce.reacted([...names].join(', '), label) : t.announce.reactedMany(names.size, label);
    }

    clear(): void {
        this.names.clear();
    }
}

const REACTIONS_TOGETHER_MS = 1_000;

/** Call once the person is in the meeting; returns how to stop. */
export function watchForAnnouncements(session: Session): () => void {
    const { roster, media } = session;
    const hands = new Set<string>();
    const shown = new Map<string, string>();
    const reactions = new Reactions();
    let since = 0;
    let first = true;
    const hand = (person: Person): void => {
        const up = person.handRaised.value;
        if (up === hands.has(person.identity)) return;
        if (up) hands.add(person.identity);
        else hands.delete(person.identity);
        if (first) return;
        if (person.isLocal) announce(up ? t.announce.ownHandUp : t.announce.ownHandDown, 'own-hand');
        else if (up) announce(t.announce.handUp(person.name.peek(), hands.size), `hand-${person.identity}`);
    };
    const reaction = (person: Person): void => {
        const emoji = person.reaction.value;
        const before = shown.get(person.identity) ?? '';
        shown.set(person.identity, emoji);
        if (first || emoji === '' || emoji === before) return;
        const now = performance.now();
        if (now - since > REACTIONS_TOGETHER_MS) {
            reactions.clear();
            since = now;
        }
        const label = t.bar.reactions[REACTIONS.indexOf(emoji)] ?? emoji;
        announce(reactions.add(label, person.isLocal ? t.you : person.name.peek()), `reaction-${emoji}`);
    };
    const stops = [
        effect(() => {
            for (const person of roster.people.value) {
                hand(person);
                reaction(person);
            }
            first = false;
        }),
        watchSwitch(media.mic.on, 'toggle-mic', t.announce.micOn, t.announce.micOff),
        watchSwitch(media.camera.on, 'toggle-camera', t.announce.cameraOn, t.announce.cameraOff),
    ];
    return () => stops.forEach((stop) => stop());
}

/** A button that has the focus says its new state by itself. */
function watchSwitch(on: { value: boolean }, testid: string, textOn: string, textOff: string): () => void {
    let before: boolean | undefined;
    return effect(() => {
        const now = on.value;
        const focused = document.activeElement?.getAttribute('data-testid') === testid;
        if (before !== undefined && now !== before && !focused) announce(now ? textOn : textOff, testid);
        before = now;
    });
}
