// Every text a person reads or hears from the client, in English. Another language is another object of type Messages.
//
// Texts with a value are functions, so that each language can order words and form plurals in its own way.

const plural = (n: number, one: string, many: string): string => (n === 1 ? one : many);

/** A span of time in its largest unit. */
function spanText(seconds: number): string {
    const units: [number, string, string][] = [[86_400, 'day', 'days'], [3600, 'hour', 'hours'], [60, 'minute', 'minutes'], [1, 'second', 'seconds']];
    const [size, one, many] = units.find(([length]) => seconds >= length) ?? units[3]!;
    const n = Math.round(seconds / size);
    return `${n} ${plural(n, one, many)}`;
}

export const en = {
    appName: 'Conclave',
    close: 'Close',
    copy: 'Copy link',
    copied: 'Link copied',
    copyFailed: 'The link could not be copied. Select it and copy it by hand.',
    you: 'You',
    youSuffix: (name: string) => `${name} (you)`,
    home: 'Go to the start page',

    landing: {
        title: 'Meet face to face, on your own server',
        lead: 'Start a meeting and share its link. Nothing to install, no account needed.',
        start: 'Start a meeting',
        starting: 'Starting…',
        later: 'Make a link for later',
        laterTitle: 'Your meeting link',
        laterText: 'Anyone with this link can join. Keep it and send it to the people you want to meet.',
        laterOpen: 'Go to the meeting now',
        or: 'or join one',
        codeLabel: 'Meeting link',
        codeHint: 'Paste the whole link that you were sent, with everything after the #, or the message that it is in.',
        codeLabelPart: 'The whole link, or its part from # on',
        codeHintPart: 'Nothing of it is sent to the server until you join, and its key never is.',
        codeIncomplete: 'The part after # is not in this, either. Ask for the whole link again.',
        join: 'Join',
        codeEmpty: 'Enter the link of the meeting.',
        codeInvalid:
            'This does not look like a meeting link. Copy the whole link from your invitation and paste it here.',
        codeElsewhere: (host: string) => `This meeting is on another server, ${host}.`,
        codeElsewhereGo: (host: string) => `Open it on ${host}`,
        privacy:
            'This site sets no cookies and asks no other site for anything. Your name and device choices stay in this browser.',
        version: (version: string) => `Version ${version}`,
        licences: 'Licences',
    },

    prejoin: {
        title: 'Ready to join?',
        nameLabel: 'Your name',
        nameHint: 'Shown to everyone in the meeting.',
        nameEmpty: 'Enter your name so that the others know who you are.',
        join: 'Join now',
        joining: 'Joining…',
        waiting: 'The meeting has not started yet, or others are coming in before you. You come in by yourself: stay on this page.',
        preview: 'Your camera preview',
        cameraOff: 'Your camera is off',
        cameraStarting: 'Your camera is starting…',
        cameraProblem: 'Your camera cannot be used',
        microphone: 'Microphone',
        camera: 'Camera',
        speaker: 'Speaker',
        speakerFixed: 'Chosen by your system',
        testSpeaker: 'Play a test tone',
        testPlaying: 'Playing…',
        micLevel: 'Microphone level',
        noDevices: 'You can join without a microphone or camera: you will see and hear the others.',
        whatIsWrong: 'What is wrong?',
        meetingLink: 'Invite others',
        privacy:
            'Sound and picture stay on this device until you join. The meeting is end-to-end encrypted: only those in it can see, hear and read it, and this server cannot.',
        deviceNamesHidden: 'Turn it on to choose',
        unnamed: (kind: string, n: number) => `${kind} ${n}`,
        systemDefault: 'System default',
    },

    bar: {
        label: 'Meeting controls',
        mic: 'Microphone',
        camera: 'Camera',
        micOn: 'Mute microphone',
        micOff: 'Unmute microphone',
        cameraOn: 'Turn camera off',
        cameraOff: 'Turn camera on',
        micNotSending: 'Microphone (nothing is sent while reconnecting)',
        micMenu: 'Choose microphone and speaker',
        cameraMenu: 'Choose camera',
        hand: 'Hand',
        raiseHand: 'Raise your hand',
        lowerHand: 'Lower your hand',
        react: 'React',
        reactions: ['Yes', 'Applause', 'Love', 'Laughter', 'Surprise', 'Celebration'],
        share: 'Share your screen',
        unshare: 'Stop sharing your screen',
        chat: 'Chat',
        people: 'People',
        more: 'More options',
        leave: 'Leave the meeting',
        unread: (n: number) => `${n} unread ${plural(n, 'message', 'messages')}`,
        count: (n: number) => `${n} ${plural(n, 'person', 'people')} here`,
    },

    more: {
        layout: 'Layout',
        gallery: 'Gallery',
        speaker: 'Speaker view',
        selfView: 'Show my own picture',
        fullScreen: 'Full screen',
        exitFullScreen: 'Leave full screen',
        theme: 'Appearance',
        system: 'Like the system',
        light: 'Light',
        dark: 'Dark',
        devices: 'Audio and video devices',
        shortcuts: 'Keyboard shortcuts',
        copyLink: 'Copy the meeting link',
        rename: 'Name this meeting',
    },

    titleDialog: {
        title: 'Name this meeting',
        label: 'Name',
        note: 'Only those in the meeting see it; the server does not.',
        save: 'Save',
        failed: 'The name could not be changed. Only a host can do that.',
    },

    leaveDialog: {
        title: 'Leave the meeting?',
        text: 'You went back. The others go on without you if you leave; you can come back with the same link.',
        stay: 'Stay',
        leave: 'Leave the meeting',
    },

    meeting: {
        title: 'Meeting',
        stage: 'Stage',
        gallery: 'People in the meeting',
        alone: 'You are the only one here',
        aloneText: 'Send the meeting link to the people you want to meet.',
        page: (page: number, pages: number) => `${page} of ${pages}`,
        nextPage: 'Next page',
        previousPage: 'Previous page',
        pin: (name: string) => `Pin ${name} to the stage`,
        screenOf: (name: string) => `${name}’s screen`,
        screenComing: (name: string) => `${name}’s screen is coming…`,
        shares: (n: number, total: number) => `Screen ${n} of ${total}`,
        nextShare: 'Show the next screen',
        youShare: 'You are sharing your screen',
        stopSharing: 'Stop sharing',
        muted: 'microphone off',
        unmuted: 'microphone on',
        cameraOffState: 'camera off',
        cameraOnState: 'camera on',
        sharing: 'sharing a screen',
        handUp: 'hand raised',
        noMedia: 'no sound or picture comes from them',
        cannotDecrypt: 'Cannot be decrypted',
        cannotShow: (codec: string) => `This browser cannot show ${codec} pictures`,
        speaking: 'speaking',
        poor: 'Weak connection',
        lost: 'Connection lost',
        selfPoor: 'Your connection is weak: others may see and hear you with gaps.',
        reconnecting: 'Reconnecting… Others cannot see or hear you right now. You can still mute or leave.',
        restarting: 'The server is going down or restarting. You come back by yourself when it does. Until then nobody sees or hears you.',
        reconnected: 'You are back in the meeting.',
        reconnectedCameraLost: 'You are back in the meeting. Your camera is off.',
        hear: 'Click to hear the meeting',
        hearText: 'Your browser is holding the sound back until you click.',
        mutedHint: (keys: string) => `You are muted. To be heard, unmute${keys ? ` with ${keys}` : ''}.`,
        silent: 'No sound comes from your microphone. Check that it is not muted on the device or in the system, or choose another one.',
        joined: (name: string) => `${name} joined`,
        left: (name: string) => `${name} left`,
        closing: (time: string) => `This server is about to stop. The meeting can go on until ${time} at the latest.`,
        clock: (seconds: number) => `The clock of this device is ${spanText(Math.abs(seconds))} ${seconds > 0 ? 'ahead' : 'behind'}. Set it right; the meeting goes on.`,
        removalDone: (name: string) => `${name} was removed`,
        removalFailed: (name: string) => `${name} could not be removed: the server does not take it. Whoever is still here can hear and see you.`,
        shareStarted: (name: string) => `${name} is sharing a screen`,
        deviceLostUsing: (lost: string, now: string) => `${lost} was unplugged. Now using ${now}.`,
        deviceLost: (lost: string) => `${lost} was unplugged.`,
        cameraStopped: 'Your camera stopped and was turned off.',
        micStopped: 'Your microphone stopped and was muted.',
        publishFailed: (what: string) => `Your ${what} could not be sent to the meeting. Turn it off and on again.`,
        unnamed: 'Guest',
        fullScreenFailed: 'Full screen is not available here.',
    },

    /** Said by screen readers only. */
    announce: {
        skip: 'Skip to the meeting controls',
        handUp: (name: string, place: number) => `${name} raised a hand${place > 1 ? `, number ${place} in line` : ''}`,
        ownHandUp: 'Your hand is raised',
        ownHandDown: 'Your hand is lowered',
        reacted: (names: string, reaction: string) => `${names}: ${reaction}`,
        reactedMany: (n: number, reaction: string) => `${n} people: ${reaction}`,
        micOn: 'Microphone on',
        micOff: 'Microphone off',
        cameraOn: 'Camera on',
        cameraOff: 'Camera off',
    },

    chat: {
        title: 'Chat',
        empty: 'No messages yet. Everyone in the meeting can read what is written here, from the moment they join.',
        before: 'What was written before you came is not yours to read: it was encrypted for those who were here then.',
        emptySince: 'No messages since you came.',
        placeholder: 'Write a message',
        label: 'Message to everyone',
        send: 'Send',
        hint: 'Enter sends, Shift+Enter starts a new line',
        tooLong: (over: number) => `${over} ${plural(over, 'character', 'characters')} too long`,
        remaining: (left: number) => `${left} ${plural(left, 'character', 'characters')} left`,
        failed: 'Not sent',
        failedGone: (name: string) => `Not sent: ${name} has left`,
        retry: 'Send again',
        sending: 'Sending…',
        cut: '… (the rest of this message was too long to show)',
        to: 'To',
        everybody: 'Everyone',
        only: (name: string) => `Only ${name}`,
        hasLeft: 'Somebody who has left',
        privately: 'only to you',
        privateTo: (name: string) => `only to ${name}`,
        attach: 'Send a file',
        save: 'Save',
        fileProgress: (name: string) => `Progress of ${name}`,
        fileNotice: (name: string) => `sent the file ${name}`,
        fileFailure: {
            too_large: 'This file is larger than this server takes.',
            network: 'The connection broke.',
            refused: 'The server has no room for this file now.',
            gone: 'The file is not there any more.',
            damaged: 'The file is not what was sent: it was changed on the way, and is not saved.',
        },
        notice: (name: string, text: string) => `${name}: ${text}`,
    },

    people: {
        title: 'People',
        search: 'Find a person',
        none: 'Nobody by that name is here.',
        inMeeting: (n: number) => `In the meeting (${n})`,
    },

    security: {
        title: 'Security',
        whatToDo: 'What to do',
        /** Titles get the number of people it is about, texts their names. */
        standing: {
            differ: {
                title: () => 'Codes differ',
                text: (names: string) =>
                    names === ''
                        ? 'The codes differ. Somebody may be between you and the others, listening. Say nothing confidential here.'
                        : `The codes differ. Somebody may be between you and ${names}, listening. Say nothing confidential here.`,
            },
            outsider: {
                title: () => 'Somebody is not in this meeting',
                text: () =>
                    'The server has sound or pictures of somebody who is not in this meeting. They are not shown or played, and cannot see or hear it.',
            },
            pending: { title: () => 'Agreeing on keys…', text: () => 'Nothing is sent or played until that is done.' },
            cannot: {
                title: () => 'Somebody cannot be decrypted',
                text: (names: string) =>
                    `What comes as from ${names} was not encrypted by them and is not shown or played. Ask them to rejoin.`,
            },
            disputed: {
                title: () => 'Codes are said to differ',
                text: (names: string) =>
                    `${names} compared codes with somebody, and says that they were not the same. Perhaps the server stands between some of you. Compare the code of this meeting with everybody; say nothing confidential before.`,
            },
            refused: {
                title: () => 'Something was refused',
                text: () => 'Something was not as it must be. It was refused, and the meeting is end-to-end encrypted as before. Read below what it was.',
            },
            unconfirmed: {
                title: () => 'Not confirmed by others',
                text: () =>
                    'Nobody has told your device for half a minute that they have the same keys. What you send is encrypted as before. Their connection may be bad, or the server holds something back: if it lasts, compare the code.',
            },
            unverified: {
                title: (n: number) => `${n} ${plural(n, 'person', 'people')} not verified`,
                text: (names: string) =>
                    `The meeting is end-to-end encrypted: this server cannot see or hear it. You have not checked yet that this is really ${names}.`,
            },
            verified: {
                title: () => 'End-to-end encrypted, verified',
                text: () =>
                    'Only the people listed here can see and hear this meeting; this server cannot. You have checked who each of them is.',
            },
            encrypted: {
                title: () => 'End-to-end encrypted',
                text: () =>
                    'Only the people listed here can see and hear this meeting; this server cannot. You have not checked yet that they are who they say: compare the code with them.',
            },
        },
        disputed: (names: string) => `${names} compared codes, and says that they differ. Security says what to do.`,
        withdrawn: (name: string) => `A change by ${name} was taken back, since others could not follow it.`,
        lostVerified: (names: string) => `The meeting is not verified any longer: you have not compared codes with ${names}.`,
        outsiders: (n: number) =>
            `${n} ${plural(n, 'other is', 'others are')} connected to the server for this meeting without its key.`,
        code: 'Security code of this meeting',
        compare: 'Compare',
        compareWith: (name: string) => `Compare codes with ${name}`,
        compareAll:
            'Read the digits aloud, or in another channel that you trust. Everybody must see the same digits at the same time. They change when somebody comes or goes.',
        comparePair: (name: string) =>
            `This code is for the two of you and stays the same. ${name} finds it next to your name. Compare it by voice, or in another channel that you trust.`,
        matches: 'They match',
        differs: 'They differ',
        differsToDo:
            'Leave, and start a new meeting whose link you send in another way. If one of you may have misread, compare once more: if the codes are the same, say so.',
        differed: 'the codes differed',
        disputes: 'says that codes differ',
        codeChanged: 'The code changed meanwhile, since somebody came or went. Nobody was marked as verified. Compare the new one.',
        alarmsRead: 'I have read this',
        people: (n: number) => `In this meeting (${n})`,
        you: 'You',
        host: 'Host',
        notVerified: 'not verified by you',
        verified: 'verified by you',
        checking: 'signature is being checked',
        cannotDecrypt: 'cannot be decrypted',
        client: { browser: 'browser,', native: 'program,', test: 'test program,' },
        programs: 'Programs',
        otherBundle: 'with other files than yours',
        facts: 'Details of the encryption',
        keys: 'Keys',
        frames: 'Sound and picture',
        framesCipher: 'SFrame with AES-256-GCM',
        epoch: 'Key epoch',
        server: 'Server',
        bundle: 'Web client (SHA-256)',
        history: 'What changed the code',
        change: {
            began: (name: string) => `${name} began the meeting`,
            came: (name: string) => `${name} came`,
            went: (name: string) => `${name} went`,
            healed: (name: string) => `${name} renewed the keys`,
            role: (name: string) => `the role of ${name} changed`,
        },
        alarms: 'Something was not as it must be',
        alarm: {
            suite: 'The server named another encryption than the link. It was refused.',
            group: 'The server offered a group that is not this meeting’s. It was refused.',
            sender: 'The server’s own key was to be exchanged. It was refused.',
            add: 'Somebody was to be added who does not have the link. It was refused.',
            remove: 'Somebody was to be removed by one who may not. It was refused.',
            roles: 'Roles were to be changed by one who may not. It was refused.',
            identity: 'Somebody was to appear as another person. It was refused.',
            commit: 'A change of keys was invalid. It was refused.',
            order: 'Messages are missing, or came twice or in the wrong order.',
            from: 'The server named another sender than the message proves. It was dropped.',
            content: 'A sealed message was malformed. It was dropped.',
            tree: 'The server gave a false list of members. It was refused.',
            signature: 'The signature of a member is false.',
            meddling: 'The server tried to change what you send, or who you are. It was refused.',
            withheld: 'Somebody who left still has keys: the server holds back their removal.',
            withdrawn: 'The server took back what cannot be taken back. It was refused.',
            fork: 'The server led to another group than the one that you are in. It was refused.',
        },
    },

    ended: {
        left: { title: 'You left the meeting', text: 'The meeting may still be going on without you.' },
        ended: { title: 'The meeting has ended', text: 'The server says that it is over for everybody. To meet again, start a new one.' },
        removed: {
            title: 'You were removed from the meeting',
            text: 'Someone who leads this meeting removed you. If you think this was a mistake, ask them. You can come back with a click, and everybody sees that you do, as somebody new.',
        },
        elsewhere: {
            title: 'You opened this meeting in another place',
            text: 'A person can be in a meeting once. You are now connected from another tab or device.',
        },
        lost: {
            title: 'The connection was lost',
            text: 'We tried for a while and could not get through. Check your network, then rejoin.',
        },
        shutdown: {
            title: 'The server was stopped or is restarting',
            text: 'It said so before it went, and has not come back yet. Wait a moment, then rejoin: the link stays the same.',
        },
        not_found: {
            title: 'This link does not open a meeting here',
            text: 'It may be incomplete, have ended, or have been replaced. Copy the whole link from your invitation, or ask for a new one.',
        },
        incomplete: {
            title: 'A part of the link is missing',
            text: 'What stands after “#” in the link has the key of this meeting. The server does not have it. Copy the whole link from your invitation, or ask for it again.',
        },
        mismatch: {
            title: 'This link is not as it was made',
            text: 'A part of it was changed, or it was made for another server. Do not go on; ask the person who invited you for the link again, in a way that you trust.',
        },
        refused: {
            title: 'You could not be let in',
            text: 'Your browser and the others in the meeting did not agree on its encryption. Perhaps the key at the end of the link is wrong: open the link from your invitation again.',
        },
        unsupported: {
            title: 'This browser cannot encrypt meetings',
            text: 'Sound and picture must be encrypted before they leave your device. Use a current Firefox, Chrome, Edge or Safari.',
        },
        rejoin: 'Rejoin',
        rejoining: 'Rejoining…',
        useHere: 'Use this one instead',
        startNew: 'Start a new meeting',
        unknownPage: { title: 'This page does not exist', text: 'The address may be incomplete.' },
    },

    failure: {
        busy: 'The server is busy or has as many meetings as it can hold. Try again in a minute.',
        full: 'This meeting is full. Try again when somebody has left.',
        unavailable: 'The server cannot take you in right now. Try again in a minute.',
        network: 'The server does not answer. Check your network and try again.',
        refused: 'The server refused the request. Load the page again and retry.',
        connect:
            'The meeting server could not be reached for sound and picture. Your network may block it; try another network or try again.',
        unsupported: 'This browser lacks what a meeting needs (WebRTC). Use a current Firefox, Chrome, Edge or Safari.',
        screen: 'The meeting page could not be loaded. Check your network and try again.',
    },

    device: {
        kind: { microphone: 'microphone', camera: 'camera', screen: 'screen' },
        title: {
            denied: (kind: string) => `This site may not use your ${kind}`,
            dismissed: (kind: string) => `Your ${kind} needs your permission`,
            blocked_os: (kind: string) => `Your system blocks the ${kind}`,
            not_found: (kind: string) => `No ${kind} was found`,
            in_use: (kind: string) => `Your ${kind} is in use elsewhere`,
            insecure: (kind: string) => `The ${kind} needs a secure connection`,
            unsupported: (kind: string) => `This browser cannot use a ${kind}`,
            unknown: (kind: string) => `Your ${kind} could not be started`,
        },
        steps: {
            deniedChrome: [
                'Click the icon at the left end of the address bar.',
                'Switch on the permission there.',
                'Come back and turn it on again.',
            ],
            deniedFirefox: [
                'Click the crossed-out symbol at the left of the address bar.',
                'Remove the block.',
                'Come back and turn it on again.',
            ],
            deniedSafari: [
                'Open the Safari menu, then Settings for This Website.',
                'Set it to Allow.',
                'Load the page again.',
            ],
            deniedOther: [
                'Open the permissions of this site in your browser.',
                'Allow it.',
                'Come back and turn it on again.',
            ],
            dismissed: ['Turn it on again.', 'Choose Allow when the browser asks.'],
            blockedMac: [
                'Open System Settings, Privacy & Security.',
                'Open the section for it and switch on your browser.',
                'Restart the browser if it asks you to.',
            ],
            blockedWindows: [
                'Open Settings, Privacy & security.',
                'Open the section for it; let desktop apps and your browser use it.',
                'Come back and turn it on again.',
            ],
            blockedAndroid: [
                'Open Settings, Apps, and choose your browser.',
                'Open Permissions and allow it.',
                'Come back and turn it on again.',
            ],
            blockedIos: ['Open Settings and choose your browser.', 'Switch it on there.', 'Load the page again.'],
            blockedLinux: [
                'Check the privacy settings of your desktop.',
                'If the browser runs in a sandbox, give it access to the device.',
                'Come back and turn it on again.',
            ],
            notFound: [
                'Check that it is plugged in and switched on.',
                'Look for a hardware switch or a privacy cover on the device.',
                'Then turn it on again here.',
            ],
            inUse: [
                'Close other programs and tabs that may use it.',
                'Unplug it and plug it in again.',
                'Then turn it on again here.',
            ],
            insecure: ['Open this site by its https:// address.'],
            unsupported: ['Use a current Firefox, Chrome, Edge or Safari.'],
            unknown: ['Unplug it and plug it in again, or choose another one.', 'Then turn it on again here.'],
        },
        carryOn: 'You can take part in the meeting without it.',
        understood: 'OK',
    },

    shortcuts: {
        title: 'Keyboard shortcuts',
        enable: 'Use keyboard shortcuts',
        note: 'Shortcuts rest while you type in a text field.',
        mic: 'Microphone on or off',
        camera: 'Camera on or off',
        chat: 'Open or close the chat',
        people: 'Open or close the list of people',
        fullscreen: 'Full screen',
        help: 'This list',
    },

    settings: {
        title: 'Devices',
        codec: 'Format of your picture',
        codecs: { vp8: 'VP8 (every browser shows it)', vp9: 'VP9', h264: 'H.264', av1: 'AV1' },
        codecMissing: (codec: string) => `${codec}: not in this browser`,
        codecNote: 'Encrypted in every format. Someone whose browser does not have it sees a note in place of your picture.',
    },

    toast: {
        region: 'Notifications',
        dismiss: 'Dismiss',
    },
};

export type Messages = typeof en;
