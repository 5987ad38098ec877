// Who is where in the gallery. Tiles keep their places: people who join come last, and somebody who speaks from a later
// page changes places with the first-page tile that has been silent longest. Nothing else moves. Pure.

/** Keeps the order of those present and appends those who are new, in the order given. Returns `order` if unchanged. */
export function reconcileOrder(order: readonly string[], present: readonly string[]): readonly string[] {
    const here = new Set(present);
    const known = new Set(order);
    const next = order.filter((key) => here.has(key));
    for (const key of present) if (!known.has(key)) next.push(key);
    return next.length === order.length && next.every((key, i) => key === order[i]) ? order : next;
}

/**
 * Brings a speaker to the first page by swapping two places; `fixed` (oneself, a pinned person) never loses its place.
 * Returns `order` unchanged if the speaker is already there or nobody can give way.
 */
export function promoteSpeaker(
    order: readonly string[],
    speaker: string,
    perPage: number,
    lastSpokeMs: ReadonlyMap<string, number>,
    fixed: ReadonlySet<string>,
): readonly string[] {
    const from = order.indexOf(speaker);
    if (from < perPage) return order;
    let to = -1;
    let oldest = Infinity;
    // From the end, so that among equally silent people the earliest places stay the most stable.
    for (let i = Math.min(perPage, order.length) - 1; i >= 0; i--) {
        const key = order[i] ?? '';
        const spoke = lastSpokeMs.get(key) ?? 0;
        if (!fixed.has(key) && spoke < oldest) {
            oldest = spoke;
            to = i;
        }
    }
    if (to < 0) return order;
    const next = [...order];
    next[from] = order[to] ?? '';
    next[to] = speaker;
    return next;
}

export interface PersonRow {
    identity: string;
    name: string;
    isLocal: boolean;
}

/** The people list: oneself first, then by name; equal names by identity, so that rows never trade places. */
export function sortPeople<T extends PersonRow>(people: readonly T[]): T[] {
    return [...people].sort(
        (a, b) =>
            Number(b.isLocal) - Number(a.isLocal) ||
            a.name.localeCompare(b.name, undefined, { sensitivity: 'base' }) ||
            (a.identity < b.identity ? -1 : 1),
    );
}

/** People whose name holds every word of the query, whatever its case and accents. */
export function filterPeople<T extends PersonRow>(people: readonly T[], query: string): T[] {
    const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
    const words = fold(query).split(/\s+/).filter(Boolean);
    return people.filter((person) => words.every((word) => fold(person.name).includes(word)));
}
