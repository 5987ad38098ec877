// Which page is shown, and the ways from one to the next. One signal, `screen`, is the whole state of the application.
import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiFailure, checkMeeting, createMeeting, joinMeeting, signalUrl } from '../api/client';
import { openBoth, openCamera, openMic } from '../devices/media';
import { Preview, type TakenTracks } from '../devices/preview';
import { t } from '../i18n';
import { failurePage, type EndReason } from '../meeting/reasons';
import type { Session } from '../meeting/session';
import { explainProblem } from '../ui/device_dialog';
import { clearToasts, toast } from '../ui/toast';
import { forgetGrant, keepGrant, keptGrant, type KeptGrant } from './grants';
import { meetingPath, parseRoute } from './route';
import { settings } from './settings';

export type Screen =
    | { kind: 'landing' }
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

/** Shows what the address bar says. Called at the start and on the browser's back and forward buttons. */
export function showAddress(known = false): void {
    leaveScreen();
    const route = parseRoute(location.pathname);
    if (route.page === 'landing') current.value = { kind: 'landing' };
    else if (route.page === 'unknown') current.value = { kind: 'unknown' };
    else openPrejoin(route.id, known);
}

export function goTo(path: string, known = false): void {
    if (path !== `${location.pathname}${location.hash}`) history.pushState(null, '', path);
    clearToasts();
    showAddress(known);
    window.scrollTo(0, 0);
}

export async function startMeeting(): Promise<void> {
    const meeting = await createMeeting();
    goTo(meeting.path, true);
}

/** `known` is true when the meeting was just made or left, and need not be asked for. */
function openPrejoin(id: string, known: boolean): void {
    const preview = new Preview();
    current.value = { kind: 'prejoin', id, preview };
    void loadMeeting().catch(() => undefined);
    const check = known ? Promise.resolve() : checkMeeting(id);
    void check.then(
        () => preview.start(),
        (error: unknown) => {
            const page = error instanceof ApiFailure ? failurePage(error.code) : undefined;
            if (page && isPrejoin(preview)) end(id, page);
            // Whatever else went wrong, joining will say; the preview needs no server.
            else void preview.start();
        },
    );
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
    return { ...(await joinMeeting(id, name)), id, name };
}

function newSession(meeting: MeetingModule, grant: KeptGrant): Session {
    const session: Session = new meeting.Session({
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
    const session = newSession(meeting, grant);
    await session.connect(signalUrl(grant.url, location.origin), grant.token, taken);
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
            if (!kept) throw error;
            // Perhaps the server no longer takes what it gave then.
            forgetGrant();
            session = await connected(meeting, await newGrant(id, name), taken);
        }
        if (current.peek() !== from) {
            session.leave();
            return;
        }
        clearToasts();
        current.value = { kind: 'meeting', id, session, component: meeting.MeetingScreen };
    } catch (error) {
        taken?.mic?.stop();
        taken?.camera?.stop();
        const page = error instanceof ApiFailure ? failurePage(error.code) : undefined;
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
    goTo(meetingPath(id, location.hash), known);
}
