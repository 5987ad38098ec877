// How many tiles fit and how large they are. Pure arithmetic on the size of the container.

export interface Size {
    width: number;
    height: number;
}

export interface GridLayout {
    cols: number;
    rows: number;
    gap: number;
    tileWidth: number;
    tileHeight: number;
    perPage: number;
    pages: number;
}

/** Height kept free for the page control when there is more than one page. */
export const PAGER_HEIGHT = 42;

export interface GridOptions {
    gap: number;
    /** Below this width nobody can be recognised, so further tiles go to the next page. */
    minTileWidth: number;
    /** Decoding more pictures than this at once costs more than they show. */
    maxPerPage: number;
}

export const GRID_WIDE: GridOptions = { gap: 10, minTileWidth: 190, maxPerPage: 25 };
export const GRID_NARROW: GridOptions = { gap: 6, minTileWidth: 130, maxPerPage: 12 };
/** At and below this width of its place a gallery is laid out for a phone. The style sheet knows nothing of it: it gets the gap. */
export const NARROW_MAX_PX = 640;

/** The shapes a tile may have: width divided by height. */
export interface Aspects {
    narrowest: number;
    widest: number;
}

const CAMERA: Aspects = { narrowest: 16 / 9, widest: 16 / 9 };
/** Of a phone held upright: a wide picture loses its sides, and people sit in the middle. */
const UPRIGHT: Aspects = { narrowest: 4 / 5, widest: 4 / 3 };

/** Wide containers show pictures as cameras take them; tall ones crop them, which wastes less of the screen. */
export function tileAspects(size: Size): Aspects {
    return size.height > size.width * 1.2 ? UPRIGHT : CAMERA;
}

export function pageCount(count: number, perPage: number): number {
    return Math.max(1, Math.ceil(count / Math.max(1, perPage)));
}

/**
 * The grid with the largest tiles. Every page has the geometry of a full one, so that turning pages moves nothing.
 */
export function gridLayout(count: number, size: Size, options: GridOptions): GridLayout {
    const whole = fillGrid(count, size, options);
    return whole.pages === 1 ? whole : fillGrid(count, { ...size, height: size.height - PAGER_HEIGHT }, options);
}

/** People expect to sit beside each other: more columns are taken when that costs less than this share of the area. */
const BESIDE_COST = 0.15;

function fillGrid(count: number, size: Size, options: GridOptions): GridLayout {
    const { gap, minTileWidth, maxPerPage } = options;
    const width = Math.max(1, size.width);
    const height = Math.max(1, size.height);
    const aspects = tileAspects(size);
    const maxCols = Math.max(1, Math.floor((width + gap) / (minTileWidth + gap)));
    const maxRows = Math.max(1, Math.floor((height + gap) / (minTileWidth / aspects.widest + gap)));
    const perPage = Math.max(1, Math.min(maxPerPage, maxCols * maxRows));
    const shown = Math.max(1, Math.min(count, perPage));
    const shapes = Array.from({ length: shown }, (_, i) => {
        const cols = i + 1;
        const rows = Math.ceil(shown / cols);
        const roomHeight = (height - gap * (rows - 1)) / rows;
        const tileWidth = Math.min((width - gap * (cols - 1)) / cols, roomHeight * aspects.widest);
        return { cols, rows, tileWidth, tileHeight: Math.min(roomHeight, tileWidth / aspects.narrowest) };
    });
    const area = (s: { tileWidth: number; tileHeight: number }): number => Math.max(0, s.tileWidth) * s.tileHeight;
    const enough = Math.max(...shapes.map(area)) * (1 - BESIDE_COST);
    const best = shapes.reduce((found, shape) => (area(shape) >= enough ? shape : found));
    return {
        cols: best.cols,
        rows: best.rows,
        gap,
        tileWidth: Math.max(1, Math.floor(best.tileWidth)),
        tileHeight: Math.max(1, Math.floor(best.tileHeight)),
        perPage,
        pages: pageCount(count, perPage),
    };
}

export interface StripLayout {
    vertical: boolean;
    gap: number;
    tileWidth: number;
    tileHeight: number;
    perPage: number;
    pages: number;
}

const STRIP_TILE_WIDTH = 208;
const STRIP_TILE_NARROW = 112;
const STRIP_GAP = 8;
/** Room for the page control at the foot of a column; a row has it on a line of its own. */
const STRIP_PAGER_HEIGHT = 40;
/** A window lower than this is a phone held sideways. */
const LOW_MAX_PX = 480;

/** The row or column of small tiles beside the stage: a column in wide containers, a row in tall ones. */
export function stripLayout(count: number, size: Size): StripLayout {
    const vertical = size.width > size.height * 1.1;
    const small = size.width <= NARROW_MAX_PX || size.height <= LOW_MAX_PX;
    const tileWidth = small ? STRIP_TILE_NARROW : STRIP_TILE_WIDTH;
    const tileHeight = Math.round((tileWidth * 9) / 16);
    const along = vertical ? size.height : size.width;
    const step = (vertical ? tileHeight : tileWidth) + STRIP_GAP;
    const fit = (space: number): number => Math.max(1, Math.floor((space + STRIP_GAP) / step));
    const perPage = vertical && count > fit(along) ? fit(along - STRIP_PAGER_HEIGHT) : fit(along);
    return { vertical, gap: STRIP_GAP, tileWidth, tileHeight, perPage, pages: pageCount(count, perPage) };
}

export function clampPage(page: number, pages: number): number {
    return Math.min(Math.max(0, page), Math.max(0, pages - 1));
}

export function pageSlice<T>(items: readonly T[], page: number, perPage: number): T[] {
    return items.slice(page * perPage, (page + 1) * perPage);
}
