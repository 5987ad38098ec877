// The public extension point of livekit-client for encryption, under names of ours.
import type { RoomOptions } from 'livekit-client';

export type E2EEOptions = NonNullable<RoomOptions['encryption']>;
export type BaseE2EEManager = Extract<E2EEOptions, { e2eeManager: unknown }>['e2eeManager'];
