import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../src/meeting/chat';
import type { Secure } from '../src/secure/types';

const PLACE = { meetingId: 'meeting', token: () => 'token' };

/** A server that takes every upload; `asked` are the requests that came. */
function server(): { asked: string[]; restore: () => void } {
    const asked: string[] = [];
    class Request {
        upload = {};
        status = 201;
        response = { id: 'file1' };
        onload: () => void = () => undefined;
        open(method: string, url: string): void {
            asked.push(`${method} ${url}`);
        }
        setRequestHeader(): void {}
        send(): void {
            queueMicrotask(() => this.onload());
        }
    }
    const before = { XMLHttpRequest: globalThis.XMLHttpRequest, fetch: globalThis.fetch };
    Object.assign(globalThis, {
        XMLHttpRequest: Request,
        fetch: (url: string, init?: RequestInit) => {
            asked.push(`${init?.method ?? 'GET'} ${url}`);
            return Promise.resolve(new Response());
        },
    });
    return { asked, restore: () => void Object.assign(globalThis, before) };
}

const chatWith = (shareFile: () => Promise<void>): Chat =>
    new Chat({ shareFile } as unknown as Secure, PLACE, () => 'me', () => 'Me', () => undefined);

test('what was uploaded is taken back when its key cannot be sent, since nobody could ever open it', async () => {
    const { asked, restore } = server();
    try {
        const failed = chatWith(() => Promise.reject(new Error('away')));
        await failed.sendFile(new File(['x'], 'a.txt'));
        assert.equal(failed.messages.peek()[0]?.state, 'failed');
        assert.deepEqual(asked, ['POST /api/v2/meetings/meeting/files', 'DELETE /api/v2/meetings/meeting/files/file1']);
        asked.length = 0;
        const sent = chatWith(() => Promise.resolve());
        await sent.sendFile(new File(['x'], 'a.txt'));
        assert.equal(sent.messages.peek()[0]?.state, 'sent');
        assert.deepEqual(asked, ['POST /api/v2/meetings/meeting/files']);
    } finally {
        restore();
    }
});
