// Picks the page for the state of the application.
import type { JSX } from 'preact';
import { Announcer } from '../ui/announcer';
import { DeviceProblemDialog } from '../ui/device_dialog';
import { ToastRegion } from '../ui/toast';
import { EndedPage, UnknownPage } from './ended';
import { screen } from './flow';
import { Landing } from './landing';
import { NewPage } from './new';
import { Prejoin } from './prejoin';

function Page(): JSX.Element {
    const now = screen.value;
    switch (now.kind) {
        case 'landing':
            return <Landing />;
        case 'new':
            return <NewPage />;
        case 'unknown':
            return <UnknownPage />;
        case 'prejoin':
            return <Prejoin key={now.id} id={now.id} preview={now.preview} />;
        case 'meeting': {
            const Meeting = now.component;
            return <Meeting session={now.session} />;
        }
        case 'ended':
            return <EndedPage id={now.id} reason={now.reason} />;
    }
}

export function App(): JSX.Element {
    return (
        <>
            <Page />
            <DeviceProblemDialog />
            <ToastRegion />
            <Announcer />
        </>
    );
}
