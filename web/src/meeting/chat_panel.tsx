// The chat: messages as text nodes, links as anchors that tell the other site nothing, and a field to write in.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { keyboardLikely } from '../devices/platform';
import { t } from '../i18n';
import { Icon } from '../ui/icons';
import type { Chat, ChatFile, ChatMessage } from './chat';
import { linkify, roomLeft } from './chat_text';
import type { Roster } from './roster';

/** Closer to the end than this counts as reading along: new messages then scroll into view. */
const FOLLOW_PX = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export function ChatPanel({ chat, roster }: { chat: Chat; roster: Roster }): JSX.Element {
    const messages = chat.messages.value;
    const list = useRef<HTMLDivElement>(null);
    const follow = useRef(true);
    const draft = useSignal('');
    const to = useSignal('');
    const others = roster.people.value.filter((person) => !person.isLocal);
    // who has left cannot be written to; what was meant for one must not go to all
    const gone = to.value !== '' && !others.some((person) => person.identity === to.value);
    const unread = chat.unread.value;
    useEffect(() => {
        if (unread > 0) chat.markRead();
    }, [unread]);
    useEffect(() => {
        const element = list.current;
        const last = messages[messages.length - 1];
        if (element && (follow.current || last?.own)) element.scrollTop = element.scrollHeight;
    }, [messages]);
    return (
        <div class="chat">
            <div
                ref={list}
                class="chat-list"
                role="log"
                aria-live="polite"
                aria-label={t.chat.title}
                tabIndex={0}
                onScroll={(event) => {
                    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
                    follow.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
                }}
            >
                {chat.late && (
                    <p class="muted" data-testid="chat-before">
                        {t.chat.before}
                    </p>
                )}
                {messages.length === 0 && <p class="muted">{chat.late ? t.chat.emptySince : t.chat.empty}</p>}
                {messages.map((message) => (
                    <Message
                        key={message.id}
                        message={message}
                        chat={chat}
                        gone={message.own && message.to !== '' && !others.some((person) => person.identity === message.to)}
                    />
                ))}
            </div>
            <div class="chat-foot">
            <Recipients
                to={to.value}
                gone={gone}
                others={others.map((person) => ({ identity: person.identity, name: person.name.value }))}
                onTo={(identity) => {
                    to.value = identity;
                }}
            />
            <Composer
                blocked={gone}
                onFile={(file) => void chat.sendFile(file, to.peek())}
                draft={draft.value}
                onDraft={(text) => {
                    draft.value = text;
                }}
                onSend={() => {
                    const text = draft.peek();
                    if (text.trim() === '' || (roomLeft(text) ?? 0) < 0) return;
                    draft.value = '';
                    void chat.send(text, to.peek());
                }}
            />
            </div>
        </div>
    );
}

/** `gone`: whom it is for has left, so that sending it again leads nowhere. */
function Message({ message, chat, gone }: { message: ChatMessage; chat: Chat; gone: boolean }): JSX.Element {
    const again = !gone && message.file?.failure.value !== 'too_large';
    return (
        <article
            class={`message ${message.own ? 'own' : ''}`}
            data-testid="chat-message"
            data-from={message.from}
            data-state={message.state}
        >
            <header>
                <strong dir="auto">{message.own ? t.you : message.name}</strong>
                {message.to !== '' && (
                    <span class="tag" data-testid="chat-private">
                        {message.own ? t.chat.privateTo(message.toName) : t.chat.privately}
                    </span>
                )}
                <time dateTime={new Date(message.atMs).toISOString()}>{clock.format(message.atMs)}</time>
            </header>
            {message.file && <FileCard file={message.file} chat={chat} />}
            <p dir="auto">
                {linkify(message.text).map((segment) =>
                    segment.kind === 'link' ? (
                        <a href={segment.href} target="_blank" rel="noopener noreferrer nofollow">
                            {segment.text}
                        </a>
                    ) : (
                        segment.text
                    ),
                )}
                {message.cut && <em>{t.chat.cut}</em>}
            </p>
            {message.state === 'sending' && <p class="muted">{t.chat.sending}</p>}
            {message.state === 'failed' && (
                <p class="message-failed">
                    {gone ? t.chat.failedGone(message.toName) : t.chat.failed}
                    {again && (
                        <button type="button" class="button quiet" data-testid="chat-again" onClick={() => void chat.retry(message)}>
                            {t.chat.retry}
                        </button>
                    )}
                </p>
            )}
        </article>
    );
}

function saveAs(blob: Blob, name: string): void {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function sizeText(bytes: number): string {
    if (bytes < 1000) return `${bytes} B`;
    return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function FileCard({ file, chat }: { file: ChatFile; chat: Chat }): JSX.Element {
    const progress = file.progress.value;
    const failure = file.failure.value;
    return (
        <div class="file-card" data-testid="chat-file" data-name={file.name}>
            <span>
                <strong dir="auto">{file.name}</strong> <span class="muted">{sizeText(file.lengthBytes)}</span>
            </span>
            {progress !== undefined && <progress aria-label={t.chat.fileProgress(file.name)} value={progress} max={1} />}
            {progress === undefined && file.sealed && (
                <button
                    type="button"
                    class="button"
                    data-testid="file-save"
                    onClick={() => void chat.fetch(file).then((blob) => blob && saveAs(blob, file.name))}
                >
                    {t.chat.save}
                </button>
            )}
            {failure && (
                <p class="message-failed" role="alert">
                    {t.chat.fileFailure[failure]}
                </p>
            )}
        </div>
    );
}

interface RecipientsProps {
    to: string;
    gone: boolean;
    others: readonly { identity: string; name: string }[];
    onTo: (identity: string) => void;
}

function Recipients({ to, gone, others, onTo }: RecipientsProps): JSX.Element {
    return (
        <label class="recipients">
            <span class="word">{t.chat.to}</span>
            <select class="field" data-testid="chat-to" value={to} onChange={(event) => onTo(event.currentTarget.value)}>
                <option value="">{t.chat.everybody}</option>
                {others.map(({ identity, name }) => (
                    <option key={identity} value={identity}>
                        {t.chat.only(name)}
                    </option>
                ))}
                {gone && (
                    <option value={to} disabled>
                        {t.chat.hasLeft}
                    </option>
                )}
            </select>
        </label>
    );
}

interface ComposerProps {
    blocked: boolean;
    onFile: (file: File) => void;
    draft: string;
    onDraft: (text: string) => void;
    onSend: () => void;
}

function Composer({ draft, blocked, onDraft, onSend, onFile }: ComposerProps): JSX.Element {
    const left = roomLeft(draft);
    const tooLong = left !== undefined && left < 0;
    const field = useRef<HTMLTextAreaElement>(null);
    const chooser = useRef<HTMLInputElement>(null);
    return (
        <form
            class="composer"
            onSubmit={(event) => {
                event.preventDefault();
                if (!blocked) onSend();
                field.current?.focus();
            }}
        >
            <textarea
                ref={field}
                class="field"
                data-testid="chat-input"
                data-autofocus
                aria-label={t.chat.label}
                aria-describedby="chat-hint"
                aria-invalid={tooLong}
                placeholder={t.chat.placeholder}
                enterkeyhint="send"
                rows={2}
                value={draft}
                dir="auto"
                onInput={(event) => onDraft(event.currentTarget.value)}
                onKeyDown={(event) => {
                    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
                    event.preventDefault();
                    if (!blocked) onSend();
                }}
            />
            <button
                type="submit"
                class="button primary"
                data-testid="chat-send"
                disabled={draft.trim() === '' || tooLong || blocked}
            >
                <Icon name="send" size={18} />
                <span class="word">{t.chat.send}</span>
            </button>
            <input
                ref={chooser}
                type="file"
                hidden
                data-testid="chat-file-input"
                onChange={(event) => {
                    const file = event.currentTarget.files?.[0];
                    event.currentTarget.value = '';
                    if (file && !blocked) onFile(file);
                }}
            />
            <button
                type="button"
                class="button quiet attach"
                data-testid="chat-attach"
                disabled={blocked}
                onClick={() => chooser.current?.click()}
            >
                <Icon name="attach" size={18} />
                <span class="word">{t.chat.attach}</span>
            </button>
            <p id="chat-hint" class={left === undefined ? 'muted word' : tooLong ? 'problem' : 'muted'} role={left === undefined ? undefined : 'status'}>
                {left === undefined ? (keyboardLikely.value ? t.chat.hint : '') : tooLong ? t.chat.tooLong(-left) : t.chat.remaining(left)}
            </p>
        </form>
    );
}
