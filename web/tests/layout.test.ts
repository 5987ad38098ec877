import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    clampPage,
    gridLayout,
    GRID_NARROW,
    GRID_WIDE,
    PAGER_HEIGHT,
    pageSlice,
    stripLayout,
} from '../src/meeting/layout';

const desk = { width: 1400, height: 780 };
const phone = { width: 308, height: 560 };

test('tiles always fit into the container', () => {
    for (const [size, options] of [
        [desk, GRID_WIDE],
        [phone, GRID_NARROW],
        [{ width: 780, height: 800 }, GRID_WIDE],
    ] as const) {
        for (let count = 1; count <= 80; count++) {
            const g = gridLayout(count, size, options);
            const label = `${count} in ${size.width}x${size.height}`;
            const free = g.pages > 1 ? size.height - PAGER_HEIGHT : size.height;
            assert.ok(g.cols * g.tileWidth + (g.cols - 1) * options.gap <= size.width, label);
            assert.ok(g.rows * g.tileHeight + (g.rows - 1) * options.gap <= free, label);
            assert.ok(g.perPage * g.pages >= count, label);
            assert.ok(g.perPage <= options.maxPerPage, label);
        }
    }
});

test('one person fills the space, two share it side by side, and four make a square', () => {
    assert.ok(gridLayout(1, desk, GRID_WIDE).tileHeight >= desk.height - 1);
    assert.deepEqual([gridLayout(2, desk, GRID_WIDE).cols, gridLayout(2, desk, GRID_WIDE).rows], [2, 1]);
    assert.deepEqual([gridLayout(4, desk, GRID_WIDE).cols, gridLayout(4, desk, GRID_WIDE).rows], [2, 2]);
    assert.deepEqual([gridLayout(2, phone, GRID_NARROW).cols, gridLayout(2, phone, GRID_NARROW).rows], [1, 2]);
});

test('two sit side by side in any wide window, even where one above the other would be a little larger', () => {
    for (const size of [
        { width: 1420, height: 812 },
        { width: 1260, height: 712 },
        { width: 1900, height: 1000 },
    ]) {
        assert.equal(gridLayout(2, size, GRID_WIDE).cols, 2, `${size.width}x${size.height}`);
    }
});

test('on an upright phone four make a square and ten stand in pairs, filling the screen', () => {
    const upright = { width: 378, height: 772 };
    const four = gridLayout(4, upright, GRID_NARROW);
    assert.deepEqual([four.cols, four.rows, four.tileWidth], [2, 2, 186]);
    assert.ok(four.tileHeight > four.tileWidth, 'taller than wide');
    const ten = gridLayout(10, upright, GRID_NARROW);
    assert.deepEqual([ten.cols, ten.rows, ten.tileWidth], [2, 5, 186]);
    for (let count = 1; count <= 12; count++) {
        const { tileWidth, tileHeight } = gridLayout(count, upright, GRID_NARROW);
        const shape = tileWidth / tileHeight;
        assert.ok(shape > 0.79 && shape < 1.36, `${count}: ${tileWidth}x${tileHeight}`);
    }
});

test('all pages have the same geometry', () => {
    const many = gridLayout(60, desk, GRID_WIDE);
    const more = gridLayout(73, desk, GRID_WIDE);
    assert.equal(many.pages, 3);
    assert.deepEqual([many.cols, many.rows, many.tileWidth], [more.cols, more.rows, more.tileWidth]);
});

test('a container without size gives a layout all the same', () => {
    const g = gridLayout(5, { width: 0, height: 0 }, GRID_WIDE);
    assert.ok(g.perPage >= 1 && g.tileWidth >= 1 && g.tileHeight >= 1);
});

test('the strip stands beside the stage in wide containers and lies below it in narrow ones', () => {
    assert.equal(stripLayout(8, desk).vertical, true);
    assert.equal(stripLayout(8, phone).vertical, false);
    assert.equal(stripLayout(8, { width: 620, height: 280 }).vertical, true);
    const strip = stripLayout(40, desk);
    assert.ok(strip.perPage * (strip.tileHeight + 8) <= desk.height);
    assert.equal(strip.pages, Math.ceil(40 / strip.perPage));
});

test('pages are cut without gaps and page numbers stay in range', () => {
    const items = [1, 2, 3, 4, 5];
    assert.deepEqual([pageSlice(items, 0, 2), pageSlice(items, 1, 2), pageSlice(items, 2, 2)], [[1, 2], [3, 4], [5]]);
    assert.deepEqual([clampPage(-1, 3), clampPage(7, 3), clampPage(1, 3), clampPage(2, 0)], [0, 2, 1, 0]);
});
