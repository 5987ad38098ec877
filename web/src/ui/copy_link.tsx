// Copies the meeting's link, with a selectable field for browsers that refuse the clipboard.
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { wholeLink } from '../app/link_keys';
import { t } from '../i18n';
import { Icon } from './icons';
import { toast } from './toast';

export async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false;
    }
}

/** The whole link of the meeting this page shows, with the part that the address bar leaves out. */
export const meetingLink = wholeLink;

export async function copyMeetingLink(): Promise<void> {
    toast((await copyText(meetingLink())) ? t.copied : t.copyFailed);
}

export function LinkField({ link, label }: { link: string; label: string }): JSX.Element {
    const ref = useRef<HTMLInputElement>(null);
    return (
        <div class="link-field">
            <input
                ref={ref}
                class="field"
                readOnly
                value={link}
                aria-label={label}
                onFocus={(event) => event.currentTarget.select()}
            />
            <button
                type="button"
                class="button"
                onClick={() => {
                    void copyText(link).then((done) => {
                        if (!done) ref.current?.select();
                        toast(done ? t.copied : t.copyFailed);
                    });
                }}
            >
                <Icon name="copy" size={18} />
                {t.copy}
            </button>
        </div>
    );
}
