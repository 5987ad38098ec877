// What this person knows of the meeting's security, beyond what the group says: which codes they compared and how that came out, which
// alarms they have read. It lives as long as the stay; that codes differ is told to the others.
import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { cleanName } from '../app/settings';
import { t } from '../i18n';
import type { Alarm, Secure, SecurePerson } from '../secure/types';
import { disputersOf, standingOf, tells, unverifiedOf, type Standing } from './security';

/** Of the meeting as a whole, in place of an identity. */
export const EVERYBODY = '';

export class SecurityWatch {
    private readonly differs = signal<ReadonlySet<string>>(new Set());
    private readonly read = signal<Alarm | undefined>(undefined);
    private readonly stopWatching: (() => void)[] = [];

    /** Identities whose codes differed, as this person said; EVERYBODY: the meeting's. Until compared again and found the same. */
    readonly differing: ReadonlySignal<ReadonlySet<string>> = this.differs;
    readonly standing: ReadonlySignal<Standing>;

    constructor(
        readonly secure: Secure,
        readonly outsiders: ReadonlySignal<readonly string[]>,
        tell: (text: string, urgent: boolean) => void,
    ) {
        this.standing = computed(() =>
            standingOf({
                state: secure.state.value,
                people: secure.people.value,
                undecryptable: secure.undecryptable.value,
                outsiders: outsiders.value,
                differing: this.differs.value,
                confirmed: secure.confirmed.value,
                unread: this.unread.value.length,
            }),
        );
        let before: Standing = 'pending';
        this.stopWatching.push(
            effect(() => {
                const now = this.standing.value;
                const how = now === before ? 'no' : tells(before, now);
                // what was before the group was away is what counts when it is there again
                if (now !== 'pending') before = now;
                const names = this.names(now);
                if (how === 'urgent') tell(now === 'disputed' ? t.security.disputed(names) : t.security.standing[now].text(names), true);
                if (how === 'calm' && names !== '') tell(t.security.lostVerified(names), false);
            }),
            // Who has gone cannot be between us and them any longer.
            effect(() => {
                const people = secure.people.value;
                if (people.size === 0) return;
                const rest = [...this.differs.peek()].filter((identity) => identity === EVERYBODY || people.has(identity));
                if (rest.length === this.differs.peek().size) return;
                this.differs.value = new Set(rest);
                if (rest.length === 0) void secure.tellCompared(false).catch(() => undefined);
            }),
        );
    }

    close(): void {
        for (const stop of this.stopWatching) stop();
    }

    /** Alarms since the person last said that they had read them. */
    readonly unread: ReadonlySignal<readonly Alarm[]> = computed(() => {
        const alarms = this.secure.alarms.value;
        return this.read.value === undefined ? alarms : alarms.slice(alarms.indexOf(this.read.value) + 1);
    });

    markRead(): void {
        this.read.value = this.secure.alarms.peek().at(-1);
    }

    /** Whom a standing is about, by name; empty where it is about nobody in particular. */
    names(standing: Standing): string {
        return this.whom(standing)
            .map((person) => cleanName(person?.name ?? '') || t.meeting.unnamed)
            .join(', ');
    }

    private whom(standing: Standing): (SecurePerson | undefined)[] {
        const people = this.secure.people.value;
        if (standing === 'differ') return [...this.differs.value].filter((one) => one !== EVERYBODY).map((one) => people.get(one));
        if (standing === 'disputed') return disputersOf(people);
        if (standing === 'cannot') return [...this.secure.undecryptable.value].map((one) => people.get(one));
        return standing === 'unverified' || standing === 'encrypted' ? unverifiedOf(people) : [];
    }

    /** The codes differed: whoever they were of counts as verified no longer. */
    async saysDiffers(identity: string): Promise<void> {
        this.differs.value = new Set([...this.differs.peek(), identity]);
        await this.secure.markVerified(identity, false).catch(() => undefined);
        await this.secure.tellCompared(true).catch(() => undefined);
    }

    /** They are the same: exactly those count as verified whose keys made these digits. Answers false if these are no longer the digits. */
    async saysMatches(identity: string, digits: string): Promise<boolean> {
        try {
            await this.secure.markVerified(identity, true, digits);
        } catch {
            return false;
        }
        const before = this.differs.peek().size;
        const rest = new Set(this.differs.peek());
        batch(() => {
            rest.delete(identity);
            // The meeting's code stands for everybody in it.
            if (identity === EVERYBODY) rest.clear();
            this.differs.value = rest;
        });
        if (before > 0 && rest.size === 0) await this.secure.tellCompared(false).catch(() => undefined);
        return true;
    }
}
