// What the meeting's encryption amounts to for the person in front of the screen, in one word. Pure.
import type { SecurePerson, SecureState } from '../secure/types';

/** From best to worst; `cannot` outweighs the rest, since it is about somebody who is here and not seen or heard. */
export type Standing = 'verified' | 'encrypted' | 'unverified' | 'cannot' | 'pending';

export interface Facts {
    state: SecureState;
    people: ReadonlyMap<string, SecurePerson>;
    undecryptable: ReadonlySet<string>;
}

/**
 * `verified`: codes were compared with everybody else. `encrypted`: with nobody. `unverified`: with some, and somebody is
 * not among them. `pending`: not in the group (yet, or again).
 */
export function standingOf({ state, people, undecryptable }: Facts): Standing {
    if (state !== 'in') return 'pending';
    if (undecryptable.size > 0) return 'cannot';
    const others = [...people.values()].filter((person) => !person.self);
    const verified = others.filter((person) => person.verified).length;
    if (others.length === 0 || verified === 0) return 'encrypted';
    return verified === others.length ? 'verified' : 'unverified';
}

/** Groups of five, as they are read aloud. */
export function groupDigits(digits: string): string[] {
    return digits.match(/.{1,5}/g) ?? [];
}
