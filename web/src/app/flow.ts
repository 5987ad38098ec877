// Which page is shown, and the ways from one to the next. One signal, `screen`, is the whole state of the application.
import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiFailure, checkMeeting, createMeeting, getVersion, joinMeeting, signalUrl } from '../api/client';
import { openBoth, openCamera, openMic } from '../devices/media';
import { Preview, type TakenTracks } from '../devices/preview';
import { t } from '../i18n';
import { failurePage, secureEnd, SecureFailure, type EndReason } from '../meeting/reasons';
import type { Session } from '../meeting/session';
import { makeFragment, parseFragment, suiteSupported } from '../secure/link';
import { explainProblem } from '../ui/device_dialog';
import { clearToasts, toast } from '../ui/toast';
import { forgetGrant, keepGrant, keptGrant, type KeptGrant } from './grants';
import { guardHistory, leaveAsked } from './leaving';
import { fragmentOf, strippedPath, takeFragment } from './link_keys';
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
    if (error instanceof SecureFailure && error.reason === 'full') return t.failure.full;
    if (!(error instanceof ApiFailure)) return t.failure.connect;
    switch (error.code) {
        case 'busy':
            return t.failure.busy;
        case 'meeting_full':
            return t.failure.full;
        case 'unavailable':
            return t.failure.unavailable;
        case 'network':
            return t.failure.network;
        case 'meeting_not_found':
            return t.ended.not_found.title;
        case 'meeting_ended':
            return t.ended.ended.title;
        case 'refused':
            return t.failure.refused;
    }
}

function leaveScreen(): void {
    const now = current.peek();
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

/** A new meeting's path with its fragment: the secret that lets people in is made here and never sent. */
export async function makeMeeting(): Promise<string> {
    const { id, suite } = await createMeeting();
    if (!suiteSupported(suite)) throw new ApiFailure('refused', 201);
    return meetingPath(id, makeFragment(suite));
}

export async function startMeeting(inPlace = false): Promise<void> {
    goTo(await makeMeeting(), true, inPlace);
}

class LinkProblem extends Error {
    constructor(readonly page: EndReason) {
        super(page);
    }
}

/** Refuses a link whose suite is not the server's, which would be somebody's attempt at a weaker one. */
async function checkLink(id: string): Promise<void> {
    const keys = parseFragment(fragmentOf(id));
    const suite = await checkMeeting(id);
    keys?.secret.fill(0);
    if (keys && keys.suite !== suite) throw new LinkProblem('mismatch');
}

/** `known` is true when the meeting was just made or left, and need not be asked for. */
function openPrejoin(id: string, known: boolean): void {
    if (!parseFragment(fragmentOf(id))) {
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
    await enter(id, settings.peek().name, openLast);
}

async function newGrant(id: string, name: string): Promise<KeptGrant> {
    return { ...(await joinMeeting(id)), id, name };
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

/** The secret of this meeting's link, while its page is the one that is shown. */
function secretOf(id: string): Uint8Array | undefined {
    const route = parseRoute(location.pathname);
    return route.page === 'meeting' && route.id === id ? parseFragment(fragmentOf(id))?.secret : undefined;
}

async function newSession(meeting: MeetingModule, grant: KeptGrant): Promise<Session> {
    const keys = parseFragment(fragmentOf(grant.id));
    if (!keys) throw new LinkProblem('incomplete');
    if (!meeting.canEncrypt()) throw new LinkProblem('unsupported');
    const config = {
        url: signalUrl(grant.url, location.origin),
        meetingId: grant.id,
        identity: grant.identity,
        token: grant.token,
        linkSecret: keys.secret,
        suite: keys.suite,
        name: grant.name,
        bundleSha256: await bundleSha256(),
    };
    const session: Session = new meeting.Session(config, () => secretOf(grant.id), {
        ended: (reason) => {
            lastMedia = { mic: session.media.mic.isOn, camera: session.media.camera.isOn };
            if (reason === 'removed' || reason === 'ended') forgetGrant();
            if (isMeeting(session)) end(grant.id, reason);
        },
        problem: explainProblem,
        note: (text, urgent) => toast(text, { urgent: urgent ?? false }),
        token: (token) => keepGrant({ ...grant, token }),
    });
    return session;
}

async function connected(meeting: MeetingModule, grant: KeptGrant, taken: TakenTracks): Promise<Session> {
    const session = await newSession(meeting, grant);
    await session.connect(taken);
    keepGrant(grant);
    return session;
}

async function enter(id: string, name: string, take: () => Promise<TakenTracks>): Promise<void> {
    let taken: TakenTracks | undefined;
    const from = current.peek();
    try {
        const kept = keptGrant(id, name);
        const [grant, meeting] = await Promise.all([kept ?? newGrant(id, name), loadMeeting()]);
        taken = await take();
        let session: Session;
        try {
            session = await connected(meeting, grant, taken);
        } catch (error) {
            if (!kept || (error instanceof SecureFailure && pageOf(error))) throw error;
            // Perhaps the server no longer takes what it gave then.
            forgetGrant();
            session = await connected(meeting, await newGrant(id, name), taken);
        }
        if (current.peek() !== from) {
            session.leave();
            return;
        }
        clearToasts();
        leaveAsked.value = false;
        guardHistory();
        current.value = { kind: 'meeting', id, session, component: meeting.MeetingScreen };
    } catch (error) {
        taken?.mic?.stop();
        taken?.camera?.stop();
        const page = pageOf(error);
        if (current.peek() !== from) return;
        if (page) end(id, page);
        else if (taken && from.kind === 'prejoin') replacePreview(id);
        if (!page) throw error;
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
