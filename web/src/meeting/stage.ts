// What takes the large place of the screen, if anything does. Pure.

export type Mode = 'gallery' | 'speaker';
export type TileSource = 'camera' | 'screen_share';

export interface TileRef {
    identity: string;
    source: TileSource;
}

export function tileKey(identity: string, source: TileSource): string {
    return `${source}|${identity}`;
}

export function parseTileKey(key: string): TileRef {
    const at = key.indexOf('|');
    return { source: key.slice(0, at) as TileSource, identity: key.slice(at + 1) };
}

export interface StageInput {
    mode: Mode;
    /** Identities of everyone present, oneself included. */
    present: readonly string[];
    self: string;
    /** Others who share a screen, in the order in which they began. */
    shares: readonly string[];
    /** The share chosen with "next screen", if it was; otherwise the latest one is shown. */
    chosenShare: string | undefined;
    pinned: string | undefined;
    dominant: string | undefined;
}

/**
 * The order of precedence: what the viewer pinned; the screen of another person; in speaker view the person who speaks,
 * or the first other one while nobody has spoken. One's own screen never takes one's own stage.
 */
export function stageKey(input: StageInput): string | undefined {
    if (input.pinned !== undefined) {
        const pin = parseTileKey(input.pinned);
        if (pin.source === 'camera' ? input.present.includes(pin.identity) : input.shares.includes(pin.identity)) {
            return input.pinned;
        }
    }
    const share = currentShare(input.shares, input.chosenShare);
    if (share !== undefined) return tileKey(share, 'screen_share');
    if (input.mode === 'speaker') {
        const others = input.present.filter((identity) => identity !== input.self);
        const who = others.find((identity) => identity === input.dominant) ?? others[0];
        if (who !== undefined) return tileKey(who, 'camera');
    }
    return undefined;
}

export function currentShare(shares: readonly string[], chosen: string | undefined): string | undefined {
    return chosen !== undefined && shares.includes(chosen) ? chosen : shares[shares.length - 1];
}

export function nextShare(shares: readonly string[], current: string | undefined): string | undefined {
    if (shares.length === 0) return undefined;
    const at = current === undefined ? -1 : shares.indexOf(current);
    return shares[(at + 1) % shares.length];
}

/**
 * Who is speaking, without jumping between people who interject: a new voice takes over at once when the present one is
 * silent, else only after it was the loudest for `holdMs`.
 */
export class DominantSpeaker {
    private candidate: string | undefined;
    private candidateSinceMs = 0;
    current: string | undefined;

    constructor(private readonly holdMs = 800) {}

    /** `speakers` are the others who speak now, loudest first. Returns after how many ms to ask again, if at all. */
    update(speakers: readonly string[], nowMs: number): number | undefined {
        const loudest = speakers[0];
        if (loudest === undefined || loudest === this.current) {
            this.candidate = undefined;
            return undefined;
        }
        if (this.current === undefined || !speakers.includes(this.current)) {
            this.current = loudest;
            this.candidate = undefined;
            return undefined;
        }
        if (this.candidate !== loudest) {
            this.candidate = loudest;
            this.candidateSinceMs = nowMs;
        }
        const rest = this.candidateSinceMs + this.holdMs - nowMs;
        if (rest > 0) return rest;
        this.current = loudest;
        this.candidate = undefined;
        return undefined;
    }
}
