// Why a microphone, camera or screen could not be had, told apart by cause, because each cause has another remedy.
import { t } from '../i18n';
import type { Platform } from './platform';

export type DeviceKind = 'microphone' | 'camera' | 'screen';

export type DeviceCause =
    'denied' | 'dismissed' | 'blocked_os' | 'not_found' | 'in_use' | 'insecure' | 'unsupported' | 'unknown';

export interface DeviceProblem {
    kind: DeviceKind;
    cause: DeviceCause;
}

interface ErrorLike {
    name?: unknown;
    message?: unknown;
}

/** Raised by our own code before the browser is even asked. */
export class MediaUnavailable extends Error {
    constructor(readonly secure: boolean) {
        super('media devices unavailable');
        this.name = secure ? 'UnsupportedError' : 'InsecureError';
    }
}

/**
 * Names are those of the Media Capture and Screen Capture specifications. The split of NotAllowedError follows the
 * messages browsers use: they are the only hint, so an unknown message means the common case, a denied permission.
 */
export function causeOf(error: unknown): DeviceCause {
    const like = (typeof error === 'object' && error !== null ? error : {}) as ErrorLike;
    const name = typeof like.name === 'string' ? like.name : '';
    const message = typeof like.message === 'string' ? like.message.toLowerCase() : '';
    switch (name) {
        case 'NotAllowedError':
        case 'PermissionDeniedError':
            if (message.includes('system')) return 'blocked_os';
            if (message.includes('dismissed')) return 'dismissed';
            return 'denied';
        case 'SecurityError':
            return 'denied';
        case 'NotFoundError':
        case 'DevicesNotFoundError':
        case 'OverconstrainedError':
            return 'not_found';
        case 'NotReadableError':
        case 'TrackStartError':
        case 'AbortError':
            return message.includes('permission') || message.includes('system') ? 'blocked_os' : 'in_use';
        case 'InsecureError':
            return 'insecure';
        case 'UnsupportedError':
        case 'NotSupportedError':
            return 'unsupported';
        default:
            return 'unknown';
    }
}

/**
 * A screen request that people simply closed is no failure. Browsers report it as a denial; only a block by the system
 * needs words.
 */
export function screenProblem(error: unknown): DeviceProblem | undefined {
    const cause = causeOf(error);
    return cause === 'denied' || cause === 'dismissed' ? undefined : { kind: 'screen', cause };
}

export function problemTitle(problem: DeviceProblem): string {
    return t.device.title[problem.cause](t.device.kind[problem.kind]);
}

export function problemSteps(problem: DeviceProblem, platform: Platform): readonly string[] {
    const steps = t.device.steps;
    switch (problem.cause) {
        case 'denied':
            switch (platform.browser) {
                case 'chrome':
                    return steps.deniedChrome;
                case 'firefox':
                    return steps.deniedFirefox;
                case 'safari':
                    return steps.deniedSafari;
                default:
                    return steps.deniedOther;
            }
        case 'blocked_os':
            switch (platform.system) {
                case 'mac':
                    return steps.blockedMac;
                case 'windows':
                    return steps.blockedWindows;
                case 'android':
                    return steps.blockedAndroid;
                case 'ios':
                    return steps.blockedIos;
                default:
                    return steps.blockedLinux;
            }
        case 'dismissed':
            return steps.dismissed;
        case 'not_found':
            return steps.notFound;
        case 'in_use':
            return steps.inUse;
        case 'insecure':
            return steps.insecure;
        case 'unsupported':
            return steps.unsupported;
        default:
            return steps.unknown;
    }
}
