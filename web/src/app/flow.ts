// Which page is shown, and the ways from one to the next. One signal, `screen`, is the whole state of the application.
import { effect, signal, type ReadonlySignal } from '@preact/signals';
import { ApiFailure, createMeeting, getHouse, getVersion, socketUrl, type House } from '../api/client';
import { openBoth, openCamera, openMic } from '../devices/media';
import { Preview, type TakenTracks } from '../devices/preview';
import { t } from '../i18n';
import { failurePage, secureEnd, SecureFailure, type EndReason } from '../meeting/reasons';
import type { Session } from '../meeting/session';
import type { Entry } from '../secure/client';
import { NEW_KIND, suiteSupported, wipeLink, writeFragment } from '../secure/link';
import { linkIsOf, linkPublic } from '../secure/warm';
import { explainProblem } from '../ui/device_dialog';
import { clearToasts, toast } from '../ui/toast';
import { guardHistory, leaveAsked } from './leaving';
import { forgetSeat, fragmentOf, keepOwnerSeed, keysOf, seatOf, strippedPath, takeFragment } from './link_keys';
import { meetingPath, parseRoute } from './route';
import { settings } from './settings';

export type Screen =
    | { kind: 'landing' }
    | { kind: 'new' }
    | { kind: 'unknown' }
    | { kind: 'prejoin'; id: string; preview: Preview }
    | { kind: 'meeting'; id: string; session: Session; component: typeof import('../meeting').MeetingScreen }
    | { kind: 'ended'; id: string; reason: EndReason };

const current = signal<Screen>({ kind: 'landing' });
export const screen: ReadonlySignal<Screen> = current;

/** What microphone and camera were when the meeting ended, for getting back the same way. */
let lastMedia = { mic: false, camera: false };

type MeetingModule = typeof import('../meeting');
let meetingModule: Promise<MeetingModule> | undefined;

/** Begins loading the meeting's code; called when pre-join is shown, so that it is there when Join is pressed. */
export function loadMeeting(): Promise<MeetingModule> {
    meetingModule ??= import('../meeting').catch((error: unknown) => {
        meetingModule = undefined;
        throw error;
    });
    return meetingModule;
}

export function failureText(error: unknown): string {
    if (error instanceof SecureFailure) return error.reason === 'full' ? t.failure.full : t.failure.network;
    if (!(error instanceof ApiFailure)) return t.failure.connect;
    switch (error.code) {
        case 'busy':
            return t.failure.busy;
        case 'unavailable':
            return t.failure.unavailable;
        case 'network':
            return t.failure.network;
        case 'meeting_not_found':
            return t.ended.not_found.title;
        case 'refused':
            return t.failure.refused;
    }
}

/** Of the attempt to come in that is being made. */
let entering: Session | undefined;
const waits = signal(false);
/** The server has let us wait for so long that words are due. */
export const waiting: ReadonlySignal<boolean> = waits;
const WAITING_TOLD_MS = 3000;

function tellWaiting(session: Session): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = effect(() => {
        clearTimeout(timer);
        waits.value = false;
        if (session.secure.waiting.value) timer = setTimeout(() => (waits.value = true), WAITING_TOLD_MS);
    });
    return () => {
        stop();
        clearTimeout(timer);
        waits.value = false;
    };
}

function leaveScreen(): void {
    const now = current.peek();
    entering?.leave();
    if (now.kind === 'prejoin') now.preview.close();
    if (now.kind === 'meeting') now.session.leave();
}

/** Shows what the address bar says. */
export function showAddress(known = false): void {
    leaveScreen();
    takeFragment();
    const route = parseRoute(location.pathname);
    if (route.page === 'landing') current.value = { kind: 'landing' };
    else if (route.page === 'new') current.value = { kind: 'new' };
    else if (route.page === 'unknown') current.value = { kind: 'unknown' };
    else openPrejoin(route.id, known);
}

/** On the browser's back and forward buttons, and when the address was changed by hand. */
export function movedInHistory(): void {
    const now = current.peek();
    const route = parseRoute(location.pathname);
    const same = now.kind === 'meeting' && route.page === 'meeting' && route.id === now.id;
    if (same && (location.hash === '' || location.hash === fragmentOf(now.id))) {
        takeFragment();
        guardHistory();
        leaveAsked.value = true;
    } else {
        showAddress();
    }
}

/** `to` may carry the key of a meeting, which does not get into the address. */
export function goTo(to: string, known = false, inPlace = false): void {
    const path = strippedPath(to);
    if (path !== `${location.pathname}${location.hash}`) {
        if (inPlace) history.replaceState(null, '', path);
        else history.pushState(null, '', path);
    }
    clearToasts();
    showAddress(known);
    window.scrollTo(0, 0);
}

/** The first 16 bytes of SHA-256, by which links name the operator key. */
async function operatorHashOf(operator: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await crypto.subtle.digest('SHA-256', operator)).slice(0, 16);
}

/**
 * A new meeting's path with its fragment. The secret that lets people in and the owner's seed are made here and never sent; the id commits
 * to their public halves, which is checked. The seed stays in this tab.
 */
export async function makeMeeting(): Promise<string> {
    const { operator, suite } = await getHouse();
    if (!suiteSupported(suite)) throw new ApiFailure('refused', 200);
    const secret = crypto.getRandomValues(new Uint8Array(32));
    const ownerSeed = crypto.getRandomValues(new Uint8Array(32));
    const { linkKey, owner } = await linkPublic(secret, ownerSeed);
    const link = { secret, operatorHash: await operatorHashOf(operator), owner, ownerSeed, suite, kind: NEW_KIND };
    try {
        const id = await createMeeting(linkKey, owner, suite, link.kind);
        if (!(await linkIsOf(id, link, operator))) throw new ApiFailure('refused', 201);
        const path = meetingPath(id, writeFragment(link));
        strippedPath(path);
        keepOwnerSeed(id, ownerSeed);
        return path;
    } finally {
        wipeLink(link);
    }
}

export async function startMeeting(inPlace = false): Promise<void> {
    goTo(await makeMeeting(), true, inPlace);
}

class LinkProblem extends Error {
    constructor(readonly page: EndReason) {
        super(page);
    }
}

/** Asked once; the page is of one server. */
let house: Promise<House> | undefined;
function theHouse(): Promise<House> {
    house ??= getHouse().catch((error: unknown) => {
        house = undefined;
        throw error;
    });
    return house;
}

/** The server's key, if the link is one of this server and its id is of what else it says; nobody needs to be asked whether it exists. */
async function checkLink(id: string): Promise<Uint8Array<ArrayBuffer>> {
    const { operator } = await theHouse();
    const hash = await operatorHashOf(operator);
    const keys = keysOf(id);
    if (!keys) throw new LinkProblem('incomplete');
    try {
        const ours = keys.operatorHash.every((byte, i) => byte === hash[i]);
        if (!ours || !(await linkIsOf(id, keys, operator))) throw new LinkProblem('mismatch');
    } finally {
        wipeLink(keys);
    }
    return operator;
}

/** `known` is true when the meeting was just made or left, and need not be asked for. */
function openPrejoin(id: string, known: boolean): void {
    if (fragmentOf(id) === '') {
        current.value = { kind: 'ended', id, reason: 'incomplete' };
        return;
    }
    const preview = new Preview();
    current.value = { kind: 'prejoin', id, preview };
    void loadMeeting().then(
        (meeting) => meeting.warmUp(),
        () => undefined,
    );
    const check = known ? Promise.resolve() : checkLink(id);
    void check.then(
        () => preview.start(),
        (error: unknown) => {
            const page = pageOf(error);
            if (page && isPrejoin(preview)) end(id, page);
            // Whatever else went wrong, joining will say; the preview needs no server.
            else void preview.start();
        },
    );
}

function pageOf(error: unknown): EndReason | undefined {
    if (error instanceof LinkProblem) return error.page;
    if (error instanceof SecureFailure) {
        const page = secureEnd(error.reason);
        return page === 'lost' ? undefined : page; // then one may try again from where one is
    }
    return error instanceof ApiFailure ? failurePage(error.code) : undefined;
}

function isPrejoin(preview: Preview): boolean {
    const now = current.peek();
    return now.kind === 'prejoin' && now.preview === preview;
}

function end(id: string, reason: EndReason): void {
    leaveScreen();
    clearToasts(); // of a meeting that is over for this person
    current.value = { kind: 'ended', id, reason };
}

/** Joins with the preview's devices. Rejects with the reason when it fails; the preview is then still there. */
export async function joinFromPreview(id: string, name: string, preview: Preview): Promise<void> {
    performance.mark('conclave:join-click');
    lastMedia = { mic: preview.micOn.peek(), camera: preview.cameraOn.peek() };
    await enter(id, name, () => preview.take());
}

/** Joins again the way it was, without the preview. */
export async function rejoin(id: string): Promise<void> {
    performance.mark('conclave:join-click');
    house = undefined; // whether the server is there again is known at once
    await enter(id, settings.peek().name, openLast);
}

/** Fetched once; the page's own files do not change while it is open. */
let bundle: Promise<string> | undefined;
function bundleSha256(): Promise<string> {
    bundle ??= getVersion().then(
        (version) => version.bundleSha256,
        () => '',
    );
    return bundle;
}

/** What lets this tab in, while its page is the one that is shown. */
function entryOf(id: string): Entry | undefined {
    const route = parseRoute(location.pathname);
    const link = route.page === 'meeting' && route.id === id ? keysOf(id) : undefined;
    return link && { link, seat: seatOf(id) };
}

/** What opens nothing any more opens nothing the next time, either: coming again, which takes a click, is with another seat. */
function forgetLostSeat(id: string, reason: EndReason | undefined): void {
    if (reason === 'removed' || reason === 'not_found') forgetSeat(id);
}

async function newSession(meeting: MeetingModule, id: string, name: string): Promise<Session> {
    if (!meeting.canEncrypt()) throw new LinkProblem('unsupported');
    const [operator, bundle] = await Promise.all([checkLink(id), bundleSha256()]);
    const entry = entryOf(id);
    if (!entry) throw new LinkProblem('incomplete');
    const config = { ...entry, url: socketUrl(location.origin), meetingId: id, operator, name, bundleSha256: bundle };
    const session: Session = new meeting.Session(config, () => entryOf(id), {
        ended: (reason) => {
            lastMedia = { mic: session.media.mic.isOn, camera: session.media.camera.isOn };
            forgetLostSeat(id, reason);
            if (isMeeting(session)) end(id, reason);
        },
        problem: explainProblem,
        note: (text, urgent) => toast(text, { urgent: urgent ?? false }),
    });
    return session;
}

async function enter(id: string, name: string, take: () => Promise<TakenTracks>): Promise<void> {
    let taken: TakenTracks | undefined;
    let session: Session | undefined;
    let stopTelling: (() => void) | undefined;
    const from = current.peek();
    try {
        session = await newSession(await loadMeeting(), id, name);
        entering = session;
        stopTelling = tellWaiting(session);
        taken = await take();
        await session.connect(taken);
        entering = undefined;
        if (current.peek() !== from) {
            session.leave();
            return;
        }
        clearToasts();
        leaveAsked.value = false;
        guardHistory();
        current.value = { kind: 'meeting', id, session, component: (await loadMeeting()).MeetingScreen };
    } catch (error) {
        taken?.mic?.stop();
        taken?.camera?.stop();
        const page = pageOf(error);
        forgetLostSeat(id, page);
        if (current.peek() !== from) return;
        if (page) end(id, page);
        else if (taken && from.kind === 'prejoin') replacePreview(id);
        if (!page) throw error;
    } finally {
        stopTelling?.();
        if (entering === session) entering = undefined;
    }
}

/** The preview gave its tracks to an attempt that failed: a new one takes its place. */
function replacePreview(id: string): void {
    const preview = new Preview();
    current.value = { kind: 'prejoin', id, preview };
    void preview.start();
}

function isMeeting(session: Session): boolean {
    const now = current.peek();
    return now.kind === 'meeting' && now.session === session;
}

async function openLast(): Promise<TakenTracks> {
    const { micId, cameraId } = settings.peek();
    if (lastMedia.mic && lastMedia.camera) {
        try {
            const [mic, camera] = await openBoth(micId, cameraId);
            return { mic, camera };
        } catch {
            // Perhaps one of the two still works.
        }
    }
    const mic = lastMedia.mic ? await openMic(micId).catch(() => undefined) : undefined;
    const camera = lastMedia.camera ? await openCamera(cameraId).catch(() => undefined) : undefined;
    return { mic, camera };
}

/** From a page after the meeting back to the preview. */
export function backToPrejoin(id: string, known: boolean): void {
    goTo(meetingPath(id), known);
}
