import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisconnectReason } from 'livekit-client';
import { failureOf, socketUrl } from '../src/api/client';
import { en } from '../src/i18n/en';
import { Disconnect, endReason, failurePage, rejoinOf, type EndReason } from '../src/meeting/reasons';

test('the numbers of disconnect reasons are those of the protocol', () => {
    assert.equal(Disconnect.clientInitiated, DisconnectReason.CLIENT_INITIATED);
    assert.equal(Disconnect.duplicateIdentity, DisconnectReason.DUPLICATE_IDENTITY);
    assert.equal(Disconnect.serverShutdown, DisconnectReason.SERVER_SHUTDOWN);
    assert.equal(Disconnect.participantRemoved, DisconnectReason.PARTICIPANT_REMOVED);
    assert.equal(Disconnect.roomDeleted, DisconnectReason.ROOM_DELETED);
    assert.equal(Disconnect.roomClosed, DisconnectReason.ROOM_CLOSED);
});

test('leaving, removal, the end, another device and a lost connection lead to different pages', () => {
    assert.equal(endReason(DisconnectReason.CLIENT_INITIATED, false), 'left');
    assert.equal(endReason(DisconnectReason.PARTICIPANT_REMOVED, false), 'removed');
    assert.equal(endReason(DisconnectReason.ROOM_DELETED, false), 'ended');
    assert.equal(endReason(DisconnectReason.ROOM_CLOSED, false), 'ended');
    assert.equal(endReason(DisconnectReason.DUPLICATE_IDENTITY, false), 'elsewhere');
    assert.equal(endReason(DisconnectReason.SERVER_SHUTDOWN, false), 'shutdown');
    assert.equal(endReason(DisconnectReason.SIGNAL_CLOSE, false), 'lost');
    assert.equal(endReason(DisconnectReason.CONNECTION_TIMEOUT, false), 'lost');
    assert.equal(endReason(undefined, false), 'lost');
});

test('who chose to leave has left, whatever else happens', () => {
    assert.equal(endReason(DisconnectReason.SIGNAL_CLOSE, true), 'left');
});

test('one can rejoin where it makes sense and nowhere else, and every page has its words', () => {
    const ways: Record<EndReason, string> = {
        left: 'prejoin',
        ended: 'none',
        removed: 'prejoin',
        elsewhere: 'direct',
        lost: 'direct',
        shutdown: 'direct',
        not_found: 'none',
        incomplete: 'none',
        mismatch: 'none',
        refused: 'none',
        unsupported: 'none',
    };
    for (const [reason, way] of Object.entries(ways) as [EndReason, string][]) {
        assert.equal(rejoinOf(reason), way, reason);
        assert.ok(en.ended[reason].title.length > 0 && en.ended[reason].text.length > 0, reason);
    }
});

test('statuses of the server become failures, and failures pages', () => {
    assert.equal(failureOf(404), 'meeting_not_found');
    assert.equal(failureOf(429), 'busy');
    assert.equal(failureOf(503), 'unavailable');
    assert.equal(failureOf(400), 'refused');
    assert.equal(failurePage('meeting_not_found'), 'not_found');
    assert.equal(failurePage('busy'), undefined);
});

test('WebSockets go to this origin', () => {
    assert.equal(socketUrl('https://meet.example.org'), 'wss://meet.example.org');
    assert.equal(socketUrl('http://localhost:8080'), 'ws://localhost:8080');
});
