// Who is here, with microphone, camera and sharing states, findable by name; pinning from here reaches every page.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { LinkField, meetingLink } from '../ui/copy_link';
import { Icon } from '../ui/icons';
import { useRoving } from '../ui/roving';
import { hueOf, initials } from './avatar';
import { filterPeople, sortPeople } from './order';
import type { Person, Roster } from './roster';
import { tileKey } from './stage';
import type { View } from './view';

/** With fewer people than this, looking is faster than typing. */
const SEARCH_MIN_PEOPLE = 8;

export function PeoplePanel({ roster, view }: { roster: Roster; view: View }): JSX.Element {
    const query = useSignal('');
    const people = roster.people.value;
    const rows = people.map((person) => ({
        person,
        identity: person.identity,
        name: person.name.value,
        isLocal: person.isLocal,
    }));
    const shown = sortPeople(filterPeople(rows, query.value));
    const list = useRef<HTMLUListElement>(null);
    useRoving(list, '.icon-button', 1);
    return (
        <div class="people">
            <LinkField link={meetingLink()} label={t.landing.laterTitle} />
            {people.length >= SEARCH_MIN_PEOPLE && (
                <input
                    class="field"
                    type="search"
                    placeholder={t.people.search}
                    aria-label={t.people.search}
                    value={query.value}
                    onInput={(event) => {
                        query.value = event.currentTarget.value;
                    }}
                />
            )}
            <h3>{t.people.inMeeting(people.length)}</h3>
            <ul ref={list} class="people-list">
                {shown.map(({ person }) => (
                    <Row key={person.identity} person={person} view={view} />
                ))}
            </ul>
            {shown.length === 0 && <p class="muted">{t.people.none}</p>}
        </div>
    );
}

function Row({ person, view }: { person: Person; view: View }): JSX.Element {
    const name = person.name.value;
    const key = tileKey(person.identity, 'camera');
    const pinned = view.pinned.value === key;
    const mic = person.micOn.value;
    const camera = person.cameraOn.value;
    const spoken = [
        mic ? t.meeting.unmuted : t.meeting.muted,
        camera ? t.meeting.cameraOnState : t.meeting.cameraOffState,
        ...(person.handRaised.value ? [t.meeting.handUp] : []),
        ...(person.sharing.value ? [t.meeting.sharing] : []),
    ].join(', ');
    return (
        <li
            class="person-row"
            data-testid="people-row"
            data-identity={person.identity}
            data-mic={mic ? 'on' : 'off'}
            data-camera={camera ? 'on' : 'off'}
            data-speaking={String(person.speaking.value)}
        >
            <span class={`avatar small hue-${hueOf(person.identity)}`} aria-hidden="true">
                {initials(name)}
            </span>
            <span class="person-name">
                <bdi>{person.isLocal ? t.youSuffix(name) : name}</bdi>
            </span>
            <span class="sr-only">{spoken}</span>
            {person.handRaised.value && <Icon name="hand" size={18} />}
            {person.sharing.value && <Icon name="share" size={18} />}
            <span class={mic ? 'state-on' : 'state-off'}>
                <Icon name={mic ? 'mic' : 'micOff'} size={18} />
            </span>
            <span class={camera ? 'state-on' : 'state-off'}>
                <Icon name={camera ? 'camera' : 'cameraOff'} size={18} />
            </span>
            <IconButton
                icon="pin"
                label={t.meeting.pin(name)}
                pressed={pinned}
                tone={pinned ? 'active' : 'plain'}
                onClick={() => view.togglePin(key)}
            />
        </li>
    );
}
