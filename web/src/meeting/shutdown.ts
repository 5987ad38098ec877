// Hears a server say that it goes down. livekit-client acts on that message, by connecting again until it works, and tells nobody why.
import type { SignalResponse } from '@livekit/protocol';
import type { Room } from 'livekit-client';
import { Disconnect } from './reasons';

interface Client {
    handleSignalResponse(response: SignalResponse): void;
}

/** Call once for a room, before it connects. */
export function watchShutdown(room: Room, told: () => void): void {
    const client = room.engine.client as unknown as Client;
    const handle = client.handleSignalResponse.bind(client);
    client.handleSignalResponse = (response) => {
        const { message } = response;
        if (message.case === 'leave' && Number(message.value.reason) === Disconnect.serverShutdown) told();
        handle(response);
    };
}
