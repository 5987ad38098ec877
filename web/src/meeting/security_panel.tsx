// How this meeting is encrypted, read from its running state, and the comparison of codes: with everybody at once, or with one
// person. Nothing here can be switched off.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { t } from '../i18n';
import type { Change, Secure, SecurePerson, SecurityCode } from '../secure/types';
import { Icon } from '../ui/icons';
import { groupDigits, standingOf, type Standing } from './security';

const SHOWN_CHANGES_MAX = 20;
const HASH_SHOWN_DIGITS = 16;

export function standing(secure: Secure): Standing {
    return standingOf({
        state: secure.state.value,
        people: secure.people.value,
        undecryptable: secure.undecryptable.value,
    });
}

export function SecurityPanel({ secure }: { secure: Secure }): JSX.Element {
    return (
        <div class="security">
            <StandingLine secure={secure} />
            <Alarms secure={secure} />
            <MeetingCode secure={secure} />
            <People secure={secure} />
            <Facts secure={secure} />
            <History secure={secure} />
        </div>
    );
}

function nameOf(secure: Secure, identity: string): string {
    return secure.people.value.get(identity)?.name ?? t.meeting.unnamed;
}

function StandingLine({ secure }: { secure: Secure }): JSX.Element {
    const now = standing(secure);
    const names = [...secure.undecryptable.value].map((identity) => nameOf(secure, identity)).join(', ');
    return (
        <p class={`standing standing-${now}`} role="status" data-testid="security-standing" data-standing={now}>
            <Icon name="shield" size={22} />
            <span>
                <strong>{t.security.standing[now].title}</strong>
                <br />
                {now === 'cannot' ? t.security.cannotText(names) : t.security.standing[now].text}
            </span>
        </p>
    );
}

function Alarms({ secure }: { secure: Secure }): JSX.Element | null {
    const alarms = secure.alarms.value;
    if (alarms.length === 0) return null;
    return (
        <section role="alert" class="alarms" data-testid="security-alarms">
            <h3>{t.security.alarms}</h3>
            <ul>
                {alarms.map((alarm, i) => (
                    <li key={i} data-kind={alarm.kind}>
                        <time>{clock(alarm.atMs)}</time> {t.security.alarm[alarm.kind]}
                        {alarm.identity !== '' && ` (${nameOf(secure, alarm.identity)})`}
                    </li>
                ))}
            </ul>
        </section>
    );
}

function clock(atMs: number): string {
    return new Date(atMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function Code({ code, testid }: { code: SecurityCode; testid: string }): JSX.Element {
    return (
        <div class="code" data-testid={testid} data-digits={code.digits}>
            <p class="code-words">{code.words.join(' ')}</p>
            <p class="code-digits">
                {groupDigits(code.digits).map((group, i) => (
                    <span key={i}>{group}</span>
                ))}
            </p>
        </div>
    );
}

interface VerdictProps {
    secure: Secure;
    /** Empty: everybody. */
    identity: string;
    onDone: () => void;
}

function Verdict({ secure, identity, onDone }: VerdictProps): JSX.Element {
    const differs = useSignal(false);
    const set = (verified: boolean): void => {
        void secure.markVerified(identity, verified).catch(() => undefined);
        differs.value = !verified;
        if (verified) onDone();
    };
    return (
        <>
            <div class="verdict">
                <button type="button" class="button primary" data-testid="code-matches" onClick={() => set(true)}>
                    {t.security.matches}
                </button>
                <button type="button" class="button" data-testid="code-differs" onClick={() => set(false)}>
                    {t.security.differs}
                </button>
            </div>
            {differs.value && (
                <p class="standing standing-cannot" role="alert">
                    <Icon name="shield" size={22} />
                    <span>{t.security.differsText}</span>
                </p>
            )}
        </>
    );
}

function MeetingCode({ secure }: { secure: Secure }): JSX.Element | null {
    const comparing = useSignal(false);
    const code = secure.code.value;
    if (!code) return null;
    return (
        <section>
            <h3>{t.security.code}</h3>
            <Code code={code} testid="security-code" />
            {comparing.value ? (
                <>
                    <p class="muted">{t.security.compareAll}</p>
                    <Verdict secure={secure} identity="" onDone={() => (comparing.value = false)} />
                </>
            ) : (
                <button
                    type="button"
                    class="button"
                    data-testid="compare-all"
                    onClick={() => {
                        comparing.value = true;
                    }}
                >
                    {t.security.compare}
                </button>
            )}
        </section>
    );
}

function People({ secure }: { secure: Secure }): JSX.Element {
    const people = [...secure.people.value.values()];
    return (
        <section>
            <h3>{t.security.people(people.length)}</h3>
            <ul class="security-people">
                {people.map((person) => (
                    <Member key={person.identity} secure={secure} person={person} />
                ))}
            </ul>
        </section>
    );
}

function stateOf(secure: Secure, person: SecurePerson): string {
    if (person.self) return t.security.you;
    if (secure.undecryptable.value.has(person.identity)) return t.security.cannotDecrypt;
    if (!person.checked) return t.security.checking;
    return person.verified ? t.security.verified : t.security.guest;
}

function Member({ secure, person }: { secure: Secure; person: SecurePerson }): JSX.Element {
    const pair = useSignal<SecurityCode | undefined>(undefined);
    const name = person.name ?? t.meeting.unnamed;
    return (
        <li data-testid="security-person" data-identity={person.identity} data-verified={String(person.verified)}>
            <div class="security-person">
                <span>
                    <strong dir="auto">{name}</strong>
                    {person.host && <span class="tag">{t.security.host}</span>}
                    <br />
                    <span class="muted">
                        {stateOf(secure, person)}, {t.security.client[person.client]} {person.software}
                        {differentBundle(secure, person) && `, ${t.security.otherBundle}`}
                    </span>
                </span>
                {!person.self && !pair.value && (
                    <button
                        type="button"
                        class="button"
                        aria-label={t.security.compareWith(name)}
                        onClick={() => void secure.pairCode(person.identity).then((code) => (pair.value = code))}
                    >
                        {t.security.compare}
                    </button>
                )}
            </div>
            {pair.value && (
                <>
                    <Code code={pair.value} testid="pair-code" />
                    <p class="muted">{t.security.comparePair(name)}</p>
                    <Verdict secure={secure} identity={person.identity} onDone={() => (pair.value = undefined)} />
                </>
            )}
        </li>
    );
}

/** A web client with other files than this one: perhaps another version, perhaps not what it should be. */
function differentBundle(secure: Secure, person: SecurePerson): boolean {
    return person.client === 'browser' && !person.self && person.bundle !== '' && person.bundle !== secure.bundleSha256;
}

function Facts({ secure }: { secure: Secure }): JSX.Element {
    const hash = secure.bundleSha256;
    return (
        <section>
            <h3>{t.security.facts}</h3>
            <dl class="facts">
                <dt>{t.security.keys}</dt>
                <dd data-testid="security-suite">{secure.suiteName}</dd>
                <dt>{t.security.frames}</dt>
                <dd>{t.security.framesCipher}</dd>
                <dt>{t.security.epoch}</dt>
                <dd data-testid="security-epoch">{String(secure.epoch.value)}</dd>
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
        </section>
    );
}

function changeText(change: Change): string {
    const name = change.name || t.meeting.unnamed;
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
                        <time>{clock(change.atMs)}</time> {changeText(change)}
                        <span class="muted"> {t.security.inEpoch(String(change.epoch))}</span>
                    </li>
                ))}
            </ol>
        </details>
    );
}
