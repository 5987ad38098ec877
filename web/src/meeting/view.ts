// What is on the screen: mode, pages, pin and stage, computed from who is here and how much room there is. Only the
// tiles of the visible page exist as elements; the others' pictures are then paused at the server.
import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { settings } from '../app/settings';
import {
    clampPage,
    gridLayout,
    GRID_NARROW,
    GRID_WIDE,
    NARROW_MAX_PX,
    pageSlice,
    stripLayout,
    type GridLayout,
    type Size,
    type StripLayout,
} from './layout';
import { promoteSpeaker, reconcileOrder } from './order';
import type { Person, Roster } from './roster';
import { currentShare, DominantSpeaker, nextShare, parseTileKey, stageKey, tileKey, type Mode } from './stage';

export interface StageTile {
    key: string;
    person: Person;
    source: 'camera' | 'screen_share';
}

export class View {
    readonly mode = signal<Mode>('gallery');
    readonly pinned = signal<string | undefined>(undefined);
    readonly chosenShare = signal<string | undefined>(undefined);
    private readonly wantedPage = signal(0);
    private readonly gallerySize = signal<Size>({ width: 0, height: 0 });
    private readonly order = signal<readonly string[]>([]);
    private readonly dominant = signal<string | undefined>(undefined);
    private readonly spokeMs = new Map<string, number>();
    private readonly talk = new DominantSpeaker();
    private talkTimer: ReturnType<typeof setTimeout> | undefined;
    private readonly disposers: (() => void)[] = [];

    readonly stage: ReadonlySignal<StageTile | undefined> = computed(() => {
        const key = stageKey({
            mode: this.mode.value,
            present: this.roster.people.value.map((p) => p.identity),
            self: this.roster.self.value?.identity ?? '',
            shares: this.roster.shares.value,
            chosenShare: this.chosenShare.value,
            pinned: this.pinned.value,
            dominant: this.dominant.value,
        });
        if (key === undefined) return undefined;
        const { identity, source } = parseTileKey(key);
        const person = this.roster.find(identity);
        return person ? { key, person, source } : undefined;
    });

    /** Everyone with a place in the gallery or strip, in order of places. */
    readonly seats: ReadonlySignal<readonly Person[]> = computed(() => {
        const people = new Map(this.roster.people.value.map((p) => [p.identity, p]));
        const stage = this.stage.value;
        const onStage = stage?.source === 'camera' ? stage.person.identity : undefined;
        const seats: Person[] = [];
        for (const identity of this.order.value) {
            const person = people.get(identity);
            if (person && identity !== onStage && this.seated(person, people.size)) seats.push(person);
        }
        return seats;
    });

    readonly grid: ReadonlySignal<GridLayout> = computed(() => {
        const size = this.gallerySize.value;
        return gridLayout(this.seats.value.length, size, size.width > NARROW_MAX_PX ? GRID_WIDE : GRID_NARROW);
    });

    readonly strip: ReadonlySignal<StripLayout> = computed(() =>
        stripLayout(this.seats.value.length, this.gallerySize.value),
    );

    readonly pages: ReadonlySignal<number> = computed(() =>
        this.stage.value ? this.strip.value.pages : this.grid.value.pages,
    );
    readonly page: ReadonlySignal<number> = computed(() => clampPage(this.wantedPage.value, this.pages.value));

    readonly visible: ReadonlySignal<readonly Person[]> = computed(() => {
        const perPage = this.stage.value ? this.strip.value.perPage : this.grid.value.perPage;
        return pageSlice(this.seats.value, this.page.value, perPage);
    });

    constructor(private readonly roster: Roster) {
        this.disposers.push(
            effect(() => {
                const present = this.roster.people.value.map((p) => p.identity);
                this.order.value = reconcileOrder(this.order.peek(), present);
            }),
            effect(() => this.heard(this.roster.speakers.value)),
        );
    }

    close(): void {
        clearTimeout(this.talkTimer);
        for (const dispose of this.disposers) dispose();
    }

    resize(size: Size): void {
        const old = this.gallerySize.peek();
        if (old.width !== size.width || old.height !== size.height) this.gallerySize.value = size;
    }

    turnPage(by: number): void {
        this.wantedPage.value = clampPage(this.page.peek() + by, this.pages.peek());
    }

    setMode(mode: Mode): void {
        batch(() => {
            this.mode.value = mode;
            this.pinned.value = undefined;
        });
    }

    togglePin(key: string): void {
        this.pinned.value = this.pinned.peek() === key ? undefined : key;
    }

    /** Brings the next shared screen to the stage; a pin gives way, since this was asked for later. */
    showNextShare(): void {
        const shares = this.roster.shares.peek();
        const stage = this.stage.peek();
        const shown = stage?.source === 'screen_share' ? stage.person.identity : undefined;
        const next = shown === undefined ? currentShare(shares, this.chosenShare.peek()) : nextShare(shares, shown);
        if (next === undefined) return;
        batch(() => {
            this.chosenShare.value = next;
            if (this.pinned.peek() !== tileKey(next, 'screen_share')) this.pinned.value = undefined;
        });
    }

    /** One's own picture can be switched off, but not while one is alone: an empty screen says nothing. */
    private seated(person: Person, count: number): boolean {
        return !person.isLocal || count === 1 || settings.value.selfView;
    }

    private heard(speakers: readonly string[]): void {
        const now = performance.now();
        const self = this.roster.self.peek()?.identity ?? '';
        for (const identity of speakers) this.spokeMs.set(identity, now);
        clearTimeout(this.talkTimer);
        const again = this.talk.update(speakers, now);
        this.dominant.value = this.talk.current;
        if (again !== undefined) this.talkTimer = setTimeout(() => this.heard(this.roster.speakers.peek()), again);
        const loudest = speakers[0];
        if (loudest === undefined || this.stage.peek()) return;
        this.order.value = promoteSpeaker(
            this.order.peek(),
            loudest,
            this.grid.peek().perPage,
            this.spokeMs,
            new Set([self]),
        );
    }
}
