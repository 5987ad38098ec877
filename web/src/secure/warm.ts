// The worker before a meeting has it: it loads while people look at the first pages, and answers what follows from keys of links.
import type { LinkKeys } from './link';
import type { LinkPublic, LinkQuestion, ToWorker } from './messages';

declare const CONCLAVE_WORKER: string;

const ANSWER_TIMEOUT_MS = 25_000;

let warm: Worker | undefined;

/** Starts loading the module, so that it is there when Join is pressed. */
export function warmUp(): void {
    warm ??= new Worker(CONCLAVE_WORKER, { name: 'conclave' });
}

export function takeWorker(): Worker {
    warmUp();
    const worker = warm!;
    warm = undefined;
    return worker;
}

function askLink<T>(question: LinkQuestion): Promise<T> {
    warmUp();
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer')), ANSWER_TIMEOUT_MS);
        port1.onmessage = ({ data }: MessageEvent<T>) => {
            clearTimeout(timer);
            resolve(data);
            port1.close();
        };
        const message: ToWorker = { kind: 'link', question, port: port2 };
        warm!.postMessage(message, [port2]);
    });
}

/** The public halves of a new link's secret and of its owner's seed. */
export function linkPublic(secret: Uint8Array, ownerSeed: Uint8Array): Promise<LinkPublic> {
    return askLink({ ask: 'public', secret, ownerSeed });
}

/** Whether the meeting's id is of what its link says, on the server with this operator key. */
export function linkIsOf(id: string, link: LinkKeys, operator: Uint8Array): Promise<boolean> {
    const { secret, owner, suite, kind } = link;
    return askLink({ ask: 'is', id, secret, owner, operator, suite, kind });
}
