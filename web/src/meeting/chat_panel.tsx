// The chat: messages as text nodes, links as anchors that tell the other site nothing, and a field to write in.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { Icon } from '../ui/icons';
import type { Chat, ChatMessage } from './chat';
import { CHAT_MAX_CHARS, CHAT_WARN_CHARS, linkify } from './chat_text';

/** Closer to the end than this counts as reading along: new messages then scroll into view. */
const FOLLOW_PX = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export function ChatPanel({ chat }: { chat: Chat }): JSX.Element {
    const messages = chat.messages.value;
    const list = useRef<HTMLDivElement>(null);
    const follow = useRef(true);
    const draft = useSignal('');
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
                {messages.length === 0 && <p class="muted">{t.chat.empty}</p>}
                {messages.map((message) => (
                    <Message key={message.id} message={message} chat={chat} />
                ))}
            </div>
            <Composer
                draft={draft.value}
                onDraft={(text) => {
                    draft.value = text;
                }}
                onSend={() => {
                    const text = draft.peek();
                    if (text.trim() === '' || text.length > CHAT_MAX_CHARS) return;
                    draft.value = '';
                    void chat.send(text);
                }}
            />
        </div>
    );
}

function Message({ message, chat }: { message: ChatMessage; chat: Chat }): JSX.Element {
    return (
        <article
            class={`message ${message.own ? 'own' : ''}`}
            data-testid="chat-message"
            data-from={message.from}
            data-state={message.state}
        >
            <header>
                <strong dir="auto">{message.own ? t.you : message.name}</strong>
                <time dateTime={new Date(message.atMs).toISOString()}>{clock.format(message.atMs)}</time>
            </header>
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
                    {t.chat.failed}
                    <button type="button" class="button quiet" onClick={() => void chat.retry(message)}>
                        {t.chat.retry}
                    </button>
                </p>
            )}
        </article>
    );
}

interface ComposerProps {
    draft: string;
    onDraft: (text: string) => void;
    onSend: () => void;
}

function Composer({ draft, onDraft, onSend }: ComposerProps): JSX.Element {
    const left = CHAT_MAX_CHARS - draft.length;
    const field = useRef<HTMLTextAreaElement>(null);
    return (
        <form
            class="composer"
            onSubmit={(event) => {
                event.preventDefault();
                onSend();
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
                aria-invalid={left < 0}
                placeholder={t.chat.placeholder}
                rows={2}
                value={draft}
                dir="auto"
                onInput={(event) => onDraft(event.currentTarget.value)}
                onKeyDown={(event) => {
                    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
                    event.preventDefault();
                    onSend();
                }}
            />
            <button
                type="submit"
                class="button primary"
                data-testid="chat-send"
                disabled={draft.trim() === '' || left < 0}
            >
                <Icon name="send" size={18} />
                {t.chat.send}
            </button>
            <p id="chat-hint" class="muted" role={left < CHAT_WARN_CHARS ? 'status' : undefined}>
                {left < 0 ? t.chat.tooLong(-left) : left < CHAT_WARN_CHARS ? t.chat.remaining(left) : t.chat.hint}
            </p>
        </form>
    );
}
