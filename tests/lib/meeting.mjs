// Drives the web client as a person does: by what is on the screen.
import { newPage } from './browsers.mjs';
import { colourNear, listen, watchVideo } from './observe.mjs';
import { until } from './runner.mjs';

const byId = (id) => `[data-testid="${id}"]`;

export class Person {
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  async shows(id, timeoutMs = 15_000) {
    await this.page.waitForSelector(byId(id), { timeout: timeoutMs });
  }

  async click(id) {
    await this.shows(id);
    await this.page.click(byId(id));
  }

  /** Until the page after the meeting tells this reason. */
  async ended(reason, timeoutMs = 20_000) {
    await until(`${this.name} to see the page "${reason}"`, () =>
      this.page.$eval(byId('ended-page'), (page, wanted) => page.dataset.reason === wanted || page.dataset.reason, reason)
        .then((seen) => seen === true), timeoutMs);
  }

  pressed(id) {
    return this.page.$eval(byId(id), (button) => button.getAttribute('aria-pressed') === 'true');
  }

  text(id) {
    return this.page.$eval(byId(id), (element) => element.textContent);
  }

  /** `camera` false: it is switched off before. */
  async join({ camera = true } = {}) {
    await this.shows('prejoin');
    if (!camera) {
      await until('the camera to be on', () => this.pressed('prejoin-camera'));
      await this.click('prejoin-camera');
    }
    await this.page.waitForSelector(byId('prejoin-name'));
    await this.page.click(byId('prejoin-name'), { count: 3 });
    await this.page.type(byId('prejoin-name'), this.name);
    await this.click('prejoin-join');
    try {
      await this.shows('meeting', 30_000);
    } catch (error) {
      const text = await this.page.evaluate(() => document.body.innerText.slice(0, 300)).catch(String);
      error.message += `; ${JSON.stringify({ name: this.name, text, problems: this.page.problems?.slice(-5) })}`;
      throw error;
    }
  }

  /** The tiles on the screen: {identity, name, source, muted}. */
  tiles() {
    return this.page.$$eval(byId('tile'), (tiles) =>
      tiles.map((tile) => ({
        identity: tile.dataset.identity,
        source: tile.dataset.source,
        muted: tile.dataset.muted,
        text: tile.textContent,
      })),
    );
  }

  async tileOf(name, source = 'camera') {
    return until(`${this.name} to have a tile of ${name}`, async () =>
      (await this.tiles()).find((tile) => tile.source === source && tile.text.includes(name)), 20_000);
  }

  async seesMoving(name, { source = 'camera', rgb, minChange = 0.02, gapMs } = {}) {
    const { identity } = await this.tileOf(name, source);
    const selector = `${byId('tile')}[data-identity="${identity}"][data-source="${source}"] video`;
    return this.explained(selector, until(`${this.name} to see ${name}'s ${source} move`, async () => {
      const picture = await watchVideo(this.page, selector, gapMs);
      return picture && picture.changedShare >= minChange && (!rgb || colourNear(picture.rgb, rgb)) && picture;
    }, 30_000));
  }

  /** Adds to a failure what the page knows of the picture that did not come. */
  async explained(selector, wait) {
    try {
      return await wait;
    } catch (error) {
      const seen = await this.page.evaluate((sel) => {
        const video = document.querySelector(sel);
        const track = video?.srcObject?.getVideoTracks()[0];
        return {
          tile: video?.closest('[data-testid="tile"]')?.getAttribute('aria-label'),
          video: video && { ready: video.readyState, paused: video.paused, width: video.clientWidth },
          track: track && { state: track.readyState, muted: track.muted },
          page: document.visibilityState,
          reconnecting: document.querySelector('[data-testid="reconnecting"]') !== null,
        };
      }, selector).catch(String);
      error.message += `; ${JSON.stringify({ seen, problems: this.page.problems?.slice(-5) })}`;
      throw error;
    }
  }

  async hears(name, { hertz, source = 'microphone', tolerance = 45 } = {}) {
    const { identity } = await this.tileOf(name);
    return until(`${this.name} to hear ${name}`, async () => {
      const sound = await listen(this.page, `audio[data-identity="${identity}"][data-source="${source}"]`, 1200);
      return sound && sound.decibels > -75 && (!hertz || Math.abs(sound.hertz - hertz) < tolerance) && sound;
    }, 25_000);
  }
}

export async function arrive(browser, url, name, how) {
  const person = new Person(await newPage(browser, url), name);
  await person.join(how);
  return person;
}
