// What the meeting's encryption amounts to for the person in front of the screen, in one word; and of each such word how it looks and
// who is told when it changes. Pure.
import type { SecurePerson, SecureState } from '../secure/types';
import type { IconName } from '../ui/icons';

/**
 * `differ`: codes were compared and differ; until that is resolved. `outsider`: the server has media of somebody who is not in the group.
 * `pending`: not in the group (yet, or again). `cannot`: what comes as from somebody does not open. `refused`: something was not as it must
 * be, was refused, and the person has not read it yet. `unverified`: codes were compared with some, and somebody is not among them.
 * `verified`: with everybody else. `encrypted`: with nobody. `disputed`: somebody else says that codes which they compared differ.
 * `unconfirmed`: nobody whose word it would be has said for half a minute that they are in the same epoch.
 */
export type Standing = 'differ' | 'outsider' | 'pending' | 'cannot' | 'disputed' | 'refused' | 'unconfirmed' | 'unverified' | 'verified' | 'encrypted';

export interface Look {
    /** Never colour alone: each tone has icons of its own. */
    tone: 'danger' | 'warn' | 'good' | 'plain';
    icon: IconName;
    /**
     * The line in the bar and the panel say each of them, screen readers hear the line. `urgent` and `calm` are notes besides, when it comes
     * about by what others do; `calm` is about losing what was there before.
     */
    told: 'urgent' | 'calm' | 'line';
}

/** From what outweighs all others to what is left when nothing else is so. */
export const LOOKS: Readonly<Record<Standing, Look>> = {
    differ: { tone: 'danger', icon: 'warning', told: 'line' }, // by the person's own word
    outsider: { tone: 'danger', icon: 'warning', told: 'urgent' },
    pending: { tone: 'plain', icon: 'shieldPlain', told: 'line' },
    cannot: { tone: 'danger', icon: 'warning', told: 'line' }, // the tile has a poster
    disputed: { tone: 'warn', icon: 'shieldAlert', told: 'urgent' },
    refused: { tone: 'warn', icon: 'shieldAlert', told: 'line' }, // each alarm is a note of its own
    unconfirmed: { tone: 'warn', icon: 'shieldAlert', told: 'line' }, // it may only be their line
    unverified: { tone: 'warn', icon: 'shieldAlert', told: 'calm' },
    verified: { tone: 'good', icon: 'shield', told: 'line' },
    encrypted: { tone: 'plain', icon: 'shieldPlain', told: 'calm' }, // after coming in anew, when what was compared is forgotten
};

export interface Facts {
    state: SecureState;
    people: ReadonlyMap<string, SecurePerson>;
    undecryptable: ReadonlySet<string>;
    /** With media and not in the group. */
    outsiders: readonly string[];
    /** Whose codes were found to differ; the empty name: the meeting's. */
    differing: ReadonlySet<string>;
    confirmed: boolean;
    /** Alarms that were not read yet. */
    unread: number;
}

export function standingOf({ state, people, undecryptable, outsiders, differing, confirmed, unread }: Facts): Standing {
    if (differing.size > 0) return 'differ';
    if (outsiders.length > 0) return 'outsider';
    if (state !== 'in') return 'pending';
    if (undecryptable.size > 0) return 'cannot';
    if (disputersOf(people).length > 0) return 'disputed';
    if (unread > 0) return 'refused';
    if (!confirmed) return 'unconfirmed';
    const others = [...people.values()].filter((person) => !person.self);
    const verified = others.filter((person) => person.verified).length;
    if (verified === 0) return 'encrypted';
    return verified === others.length ? 'verified' : 'unverified';
}

/** Whether a change to `now` has to be told besides where it is shown. */
export function tells(before: Standing, now: Standing): 'urgent' | 'calm' | 'no' {
    const { told } = LOOKS[now];
    if (told === 'urgent') return 'urgent';
    return told === 'calm' && before === 'verified' ? 'calm' : 'no';
}

/** Others who say that codes which they compared differ. */
export function disputersOf(people: ReadonlyMap<string, SecurePerson>): SecurePerson[] {
    return [...people.values()].filter((person) => !person.self && person.disputes);
}

export function unverifiedOf(people: ReadonlyMap<string, SecurePerson>): SecurePerson[] {
    return [...people.values()].filter((person) => !person.self && !person.verified);
}

/** Groups of five, as they are read aloud. */
export function groupDigits(digits: string): string[] {
    return digits.match(/.{1,5}/g) ?? [];
}
