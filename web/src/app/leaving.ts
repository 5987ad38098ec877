// The browser's back button, or a swipe that means it, does not end a meeting unasked: a meeting has an entry of its own in the tab's
// history, above the one of its page. Going back from it lands on the same page, where the question is asked and the entry renewed.
import { signal } from '@preact/signals';

/** True while the question is on the screen. */
export const leaveAsked = signal(false);

/** Without an address: that of the page stays, whatever it is. */
export function guardHistory(): void {
    if ((history.state as { inMeeting?: unknown } | null)?.inMeeting !== true) history.pushState({ inMeeting: true }, '');
}
