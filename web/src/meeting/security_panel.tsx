// How this meeting is encrypted, read from its running state, and the comparison of codes: with everybody at once, or with one
// person. Nothing here can be switched off.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { cleanName } from '../app/settings';
import { t } from '../i18n';
import type { Change, Secure, SecurePerson, SecurityCode } from '../secure/types';
import { Icon } from '../ui/icons';
import { clockTime } from '../ui/text';
import { groupDigits, LOOKS } from './security';
import { titleOf } from './security_line';
import { EVERYBODY, type SecurityWatch } from './security_watch';

const SHOWN_CHANGES_MAX = 20;
const HASH_SHOWN_DIGITS = 16;

export function SecurityPanel({ watch, leave }: { watch: SecurityWatch; leave: () => void }): JSX.Element {
    const { secure } = watch;
    return (
        <div class="security">
            <StandingLine watch={watch} leave={leave} />
            <Alarms watch={watch} />
            <MeetingCode watch={watch} />
            <People watch={watch} />
            <Details secure={secure} />
            <History secure={secure} />
        </div>
    );
}

function nameOf(secure: Secure, identity: string): string {
    return cleanName(secure.people.value.get(identity)?.name ?? '') || t.meeting.unnamed;
}

function StandingLine({ watch, leave }: { watch: SecurityWatch; leave: () => void }): JSX.Element {
    const now = watch.standing.value;
    const { tone, icon } = LOOKS[now];
    return (
        <div class={`standing tone-${tone}`} role="status" data-testid="security-standing" data-standing={now}>
            <Icon name={icon} size={22} />
            <div>
                <strong>{titleOf(watch)}</strong>
                <p>{t.security.standing[now].text(watch.names(now))}</p>
                {now === 'differ' && (
                    <>
                        <p>{t.security.differsToDo}</p>
                        <button type="button" class="button danger" data-testid="differs-leave" onClick={leave}>
                            {t.bar.leave}
                        </button>
                    </>
                )}
            </div>
        </div>
    );
}

function Alarms({ watch }: { watch: SecurityWatch }): JSX.Element | null {
    const { secure } = watch;
    const alarms = secure.alarms.value;
    if (alarms.length === 0) return null;
    const unread = watch.unread.value.length;
    return (
        <section role="alert" class={`alarms ${unread > 0 ? '' : 'read'}`} data-testid="security-alarms">
            <h3>{t.security.alarms}</h3>
            <ul>
                {alarms.map((alarm, i) => (
                    <li key={i} data-kind={alarm.kind}>
                        <time>{clockTime(alarm.atMs)}</time> {t.security.alarm[alarm.kind]}
                        {alarm.identity !== '' && ` (${nameOf(secure, alarm.identity)})`}
                    </li>
                ))}
            </ul>
            {unread > 0 && (
                <button type="button" class="button" data-testid="alarms-read" onClick={() => watch.markRead()}>
                    {t.security.alarmsRead}
                </button>
            )}
        </section>
    );
}

function Code({ code, testid }: { code: SecurityCode; testid: string }): JSX.Element {
    return (
        <p class="code" data-testid={testid} data-digits={code.digits}>
            {groupDigits(code.digits).map((group, i) => (
                <span key={i}>{group}</span>
            ))}
        </p>
    );
}

interface VerdictProps {
    watch: SecurityWatch;
    /** Or EVERYBODY. */
    identity: string;
    /** Of the code that is compared: the verdict is about these digits and no others. */
    digits: string;
    onDone: () => void;
    onStale: () => void;
}

function Verdict({ watch, identity, digits, onDone, onStale }: VerdictProps): JSX.Element {
    return (
        <div class="verdict">
            <button
                type="button"
                class="button primary"
                data-testid="code-matches"
                onClick={() => void watch.saysMatches(identity, digits).then((done) => (done ? onDone() : onStale()))}
            >
                {t.security.matches}
            </button>
            <button
                type="button"
                class="button"
                data-testid="code-differs"
                onClick={() => {
                    void watch.saysDiffers(identity);
                    onDone();
                }}
            >
                {t.security.differs}
            </button>
        </div>
    );
}

function MeetingCode({ watch }: { watch: SecurityWatch }): JSX.Element | null {
    /** What is being compared; it stays the same however the meeting's code changes meanwhile. */
    const compared = useSignal<SecurityCode | undefined>(undefined);
    const stale = useSignal(false);
    const code = watch.secure.code.value;
    if (!code) return null;
    const changed = stale.value || (compared.value !== undefined && compared.value.digits !== code.digits);
    const stop = (): void => {
        compared.value = undefined;
        stale.value = false;
    };
    return (
        <section>
            <h3>{t.security.code}</h3>
            {watch.differing.value.has(EVERYBODY) && <p class="differs-note">{t.security.differed}</p>}
            <Code code={code} testid="security-code" />
            {compared.value && !changed && (
                <>
                    <p class="muted">{t.security.compareAll}</p>
                    <Verdict
                        watch={watch}
                        identity={EVERYBODY}
                        digits={compared.value.digits}
                        onDone={stop}
                        onStale={() => (stale.value = true)}
                    />
                </>
            )}
            {changed && (
                <p role="alert" data-testid="code-changed">
                    {t.security.codeChanged}
                </p>
            )}
            {(!compared.value || changed) && (
                <button
                    type="button"
                    class="button"
                    data-testid="compare-all"
                    onClick={() => {
                        stale.value = false;
                        compared.value = code;
                    }}
                >
                    {t.security.compare}
                </button>
            )}
        </section>
    );
}

function People({ watch }: { watch: SecurityWatch }): JSX.Element {
    const people = [...watch.secure.people.value.values()];
    return (
        <section>
            <h3>{t.security.people(people.length)}</h3>
            <ul class="security-people">
                {people.map((person) => (
                    <Member key={person.identity} watch={watch} person={person} />
                ))}
            </ul>
            {watch.outsiders.value.length > 0 && (
                <p class="differs-note" data-testid="security-outsiders">
                    {t.security.outsiders(watch.outsiders.value.length)}
                </p>
            )}
        </section>
    );
}

function stateOf(watch: SecurityWatch, person: SecurePerson): string {
    if (person.self) return t.security.you;
    if (watch.differing.value.has(person.identity)) return t.security.differed;
    if (watch.secure.undecryptable.value.has(person.identity)) return t.security.cannotDecrypt;
    if (person.disputes) return t.security.disputes;
    if (!person.checked) return t.security.checking;
    return person.verified ? t.security.verified : t.security.notVerified;
}

function Member({ watch, person }: { watch: SecurityWatch; person: SecurePerson }): JSX.Element {
    const { secure } = watch;
    const pair = useSignal<SecurityCode | undefined>(undefined);
    const stale = useSignal(false);
    const name = nameOf(secure, person.identity);
    const compare = (): void => {
        stale.value = false;
        void secure.pairCode(person.identity).then(
            (code) => (pair.value = code),
            () => undefined,
        );
    };
    return (
        <li data-testid="security-person" data-identity={person.identity} data-verified={String(person.verified)}>
            <div class="security-person">
                <span>
                    <strong dir="auto">{name}</strong>
                    {person.host && <span class="tag">{t.security.host}</span>}
                    <br />
                    <span class="muted">
                        {stateOf(watch, person)}
                        {differentBundle(secure, person) && `, ${t.security.otherBundle}`}
                    </span>
                </span>
                {!person.self && !pair.value && (
                    <button type="button" class="button" aria-label={t.security.compareWith(name)} data-testid="compare-pair" onClick={compare}>
                        {t.security.compare}
                    </button>
                )}
            </div>
            {pair.value && (
                <>
                    <Code code={pair.value} testid="pair-code" />
                    <p class="muted">{t.security.comparePair(name)}</p>
                    <Verdict
                        watch={watch}
                        identity={person.identity}
                        digits={pair.value.digits}
                        onDone={() => (pair.value = undefined)}
                        onStale={() => {
                            pair.value = undefined;
                            stale.value = true;
                        }}
                    />
                </>
            )}
            {stale.value && <p role="alert">{t.security.codeChanged}</p>}
        </li>
    );
}

/** A web client with other files than this one: perhaps another version, perhaps not what it should be. */
function differentBundle(secure: Secure, person: SecurePerson): boolean {
    return person.client === 'browser' && !person.self && person.bundle !== '' && person.bundle !== secure.bundleSha256;
}

/** For who wants to know: everything above is said without it. */
function Details({ secure }: { secure: Secure }): JSX.Element {
    const hash = secure.bundleSha256;
    const programs = [...secure.people.value.values()].map(
        (person) => `${nameOf(secure, person.identity)}: ${t.security.client[person.client]} ${person.software}`,
    );
    return (
        <details data-testid="security-details">
            <summary>{t.security.facts}</summary>
            <dl class="facts">
                <dt>{t.security.keys}</dt>
                <dd data-testid="security-suite">{secure.suiteName}</dd>
                <dt>{t.security.frames}</dt>
                <dd>{t.security.framesCipher}</dd>
                <dt>{t.security.epoch}</dt>
                <dd data-testid="security-epoch">{String(secure.epoch.value)}</dd>
                <dt>{t.security.programs}</dt>
                <dd>
                    {programs.map((program) => (
                        <span key={program} class="program">
                            {program}
                        </span>
                    ))}
                </dd>
                <dt>{t.security.server}</dt>
                <dd>{location.host}</dd>
                {hash !== '' && (
                    <>
                        <dt>{t.security.bundle}</dt>
                        <dd title={hash}>
                            <code>{hash.slice(0, HASH_SHOWN_DIGITS)}…</code>
                        </dd>
                    </>
                )}
            </dl>
        </details>
    );
}

function changeText(change: Change, people: ReadonlyMap<string, SecurePerson>): string {
    const name = cleanName(people.get(change.identity)?.name ?? change.name) || t.meeting.unnamed;
    return t.security.change[change.kind](name);
}

function History({ secure }: { secure: Secure }): JSX.Element | null {
    const open = useSignal(false);
    const changes = secure.history.value.slice(0, SHOWN_CHANGES_MAX);
    if (changes.length === 0) return null;
    return (
        <details
            open={open.value}
            onToggle={(event) => {
                open.value = event.currentTarget.open;
            }}
        >
            <summary>{t.security.history}</summary>
            <ol class="history" data-testid="security-history">
                {changes.map((change) => (
                    <li key={`${change.epoch}-${change.identity}-${change.kind}`}>
                        <time>{clockTime(change.atMs)}</time> {changeText(change, secure.people.value)}
                    </li>
                ))}
            </ol>
        </details>
    );
}
