// Line icons, 24 by 24, drawn with the current text colour. They are decoration: names come from the control.
import type { ComponentChildren, JSX } from 'preact';

const shapes = {
    mic: (
        <>
            <rect x="9" y="3" width="6" height="11" rx="3" />
            <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
        </>
    ),
    micOff: (
        <>
            <path d="M9 6a3 3 0 0 1 6 0v4M9 9.5V11a3 3 0 0 0 4.6 2.5M5.5 11.5A6.5 6.5 0 0 0 16 16.6M18.1 13.7a6.5 6.5 0 0 0 .4-2.2M12 18v3M4 4l16 16" />
        </>
    ),
    camera: (
        <>
            <rect x="3" y="6" width="12" height="12" rx="2.5" />
            <path d="m15 11 6-3.5v9L15 13" />
        </>
    ),
    cameraOff: (
        <>
            <path d="M8.5 6h4A2.5 2.5 0 0 1 15 8.5V11l6-3.5v9l-3.5-2M15 15.5a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 3 15.5v-7A2.5 2.5 0 0 1 5 6M3.5 3.5l17 17" />
        </>
    ),
    share: (
        <>
            <rect x="3" y="4" width="18" height="12.5" rx="2" />
            <path d="M12 13.5V7.5M9.2 10 12 7.2l2.8 2.8M8 20h8" />
        </>
    ),
    chat: (
        <path d="M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H10l-4.5 4V16A2 2 0 0 1 4 14z" />
    ),
    people: (
        <>
            <circle cx="9" cy="8.5" r="3.2" />
            <path d="M3 19c.4-3.4 2.8-5.3 6-5.3s5.6 1.9 6 5.3M15.5 5.6a3.2 3.2 0 0 1 0 5.8M17.3 14.2c2.1.7 3.4 2.3 3.7 4.8" />
        </>
    ),
    hand: (
        <path d="M8 13V6.2a1.4 1.4 0 0 1 2.8 0V11m0-1V4.8a1.4 1.4 0 0 1 2.8 0V11m0-.5V6a1.4 1.4 0 0 1 2.8 0v8.5c0 3.6-2.2 6-5.6 6-2.6 0-4-1.2-5.2-3.4l-2-3.9a1.4 1.4 0 0 1 2.4-1.4z" />
    ),
    smile: (
        <>
            <circle cx="12" cy="12" r="8.5" />
            <path d="M8.5 14a4.2 4.2 0 0 0 7 0M9 9.5v.6M15 9.5v.6" />
        </>
    ),
    attach: (
        <path d="m8 12.5 6-6a2.8 2.8 0 0 1 4 4l-7.6 7.6a4.4 4.4 0 0 1-6.2-6.2L11 5" />
    ),
    shield: <path d="M12 3l7 2.6v5.6c0 4.4-2.9 8-7 9.8-4.1-1.8-7-5.4-7-9.8V5.6zM8.8 12l2.3 2.3 4.3-4.6" />,
    shieldPlain: <path d="M12 3l7 2.6v5.6c0 4.4-2.9 8-7 9.8-4.1-1.8-7-5.4-7-9.8V5.6z" />,
    shieldAlert: <path d="M12 3l7 2.6v5.6c0 4.4-2.9 8-7 9.8-4.1-1.8-7-5.4-7-9.8V5.6zM12 8v4.5M12 15.5h.01" />,
    more: (
        <g fill="currentColor" stroke="none">
            <circle cx="5.5" cy="12" r="1.7" />
            <circle cx="12" cy="12" r="1.7" />
            <circle cx="18.5" cy="12" r="1.7" />
        </g>
    ),
    leave: (
        <path d="M4 14.8c-.9-.9-.9-2 0-2.9 4.4-4.2 11.6-4.2 16 0 .9.9.9 2 0 2.9l-1 .9c-.6.6-1.5.6-2.1.2l-1.7-1.3c-.5-.4-.8-.9-.8-1.5v-1.2a9.7 9.7 0 0 0-4.8 0v1.2c0 .6-.3 1.1-.8 1.5l-1.7 1.3c-.6.4-1.5.4-2.1-.2z" />
    ),
    arrowUp: <path d="m7 14 5-5 5 5" />,
    next: <path d="m9.5 6 6 6-6 6" />,
    previous: <path d="m14.5 6-6 6 6 6" />,
    pin: <path d="M9 4h6M10 4v6l-3 3.5h10L14 10V4M12 13.5V20" />,
    close: <path d="m6 6 12 12M18 6 6 18" />,
    copy: (
        <>
            <rect x="9" y="9" width="11" height="11" rx="2" />
            <path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3" />
        </>
    ),
    speaker: <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />,
    grid: (
        <>
            <rect x="4" y="4" width="7" height="7" rx="1.5" />
            <rect x="13" y="4" width="7" height="7" rx="1.5" />
            <rect x="4" y="13" width="7" height="7" rx="1.5" />
            <rect x="13" y="13" width="7" height="7" rx="1.5" />
        </>
    ),
    check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
    fullScreen: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
    keyboard: (
        <>
            <rect x="3" y="6" width="18" height="12" rx="2" />
            <path d="M7 10h.01M10.5 10h.01M14 10h.01M17.5 10h.01M8 14h8" />
        </>
    ),
    settings: (
        <>
            <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
            <circle cx="15" cy="7" r="2" />
            <circle cx="9" cy="17" r="2" />
        </>
    ),
    sun: (
        <>
            <circle cx="12" cy="12" r="4" />
            <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4" />
        </>
    ),
    send: <path d="m4 12 16-8-5 16-3.5-6.5zM11.5 13.5 20 4" />,
    weak: <path d="M5 19v-3M10 19v-6M15 19v-9M20 19V6" />,
    warning: <path d="M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01" />,
} satisfies Record<string, ComponentChildren>;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 24 }: { name: IconName; size?: number }): JSX.Element {
    return (
        <svg
            class="icon"
            width={size}
            height={size}
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.8"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            focusable="false"
        >
            {shapes[name]}
        </svg>
    );
}
