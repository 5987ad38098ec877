// The middle of the meeting: a gallery of equal tiles, or a stage with a strip of small ones.
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { IconButton } from '../ui/button';
import { LinkField, meetingLink } from '../ui/copy_link';
import { Icon } from '../ui/icons';
import { useRoving } from '../ui/roving';
import type { Roster } from './roster';
import { Tile } from './tile';
import type { View } from './view';

export function Gallery({ view, roster }: { view: View; roster: Roster }): JSX.Element {
    const ref = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const element = ref.current;
        if (!element) return undefined;
        const observer = new ResizeObserver(([entry]) => {
            if (entry) view.resize({ width: entry.contentRect.width, height: entry.contentRect.height });
        });
        observer.observe(element);
        return () => observer.disconnect();
    }, [view]);
    const stage = view.stage.value;
    const vertical = view.strip.value.vertical;
    return (
        <div class="gallery-frame">
            <div ref={ref} class={stage ? `gallery staged ${vertical ? 'beside' : 'below'}` : 'gallery'}>
                {stage ? <StageArea view={view} roster={roster} /> : <Grid view={view} />}
            </div>
            {roster.people.value.length === 1 && <Alone />}
        </div>
    );
}

function Grid({ view }: { view: View }): JSX.Element {
    const { cols, rows, gap, tileWidth, tileHeight, pages } = view.grid.value;
    const ref = useRef<HTMLDivElement>(null);
    useRoving(ref, '.tile-pin', cols);
    return (
        <>
            <div
                ref={ref}
                class={pages > 1 ? 'grid paged' : 'grid'}
                role="group"
                aria-label={t.meeting.gallery}
                style={{
                    '--tile-width': `${tileWidth}px`,
                    '--tile-height': `${tileHeight}px`,
                    gap: `${gap}px`,
                    maxWidth: `${cols * tileWidth + (cols - 1) * gap}px`,
                    ...(pages > 1 ? { minHeight: `${rows * tileHeight + (rows - 1) * gap}px` } : {}),
                }}
            >
                {view.visible.value.map((person) => (
                    <Tile key={person.identity} person={person} source="camera" view={view} />
                ))}
            </div>
            <Pager view={view} />
        </>
    );
}

function StageArea({ view, roster }: { view: View; roster: Roster }): JSX.Element {
    const stage = view.stage.value;
    const shares = roster.shares.value;
    const shown = stage?.source === 'screen_share' ? shares.indexOf(stage.person.identity) : -1;
    const hidden = shown >= 0 ? shares.length - 1 : shares.length;
    return (
        <>
            <div class="stage" role="group" aria-label={t.meeting.stage}>
                {stage && <Tile key={stage.key} person={stage.person} source={stage.source} view={view} large />}
                {hidden > 0 && (
                    <button type="button" class="share-switch" onClick={() => view.showNextShare()}>
                        <Icon name="share" size={18} />
                        <span>
                            {shown >= 0 ? `${t.meeting.shares(shown + 1, shares.length)}: ` : ''}
                            {t.meeting.nextShare}
                        </span>
                    </button>
                )}
            </div>
            {view.seats.value.length > 0 && <Strip view={view} />}
        </>
    );
}

function Strip({ view }: { view: View }): JSX.Element {
    const { gap, tileWidth, tileHeight } = view.strip.value;
    const ref = useRef<HTMLDivElement>(null);
    useRoving(ref, '.tile-pin', 1);
    return (
        <div class="strip-wrap">
            <div
                ref={ref}
                class="strip"
                role="group"
                aria-label={t.meeting.gallery}
                style={{ '--tile-width': `${tileWidth}px`, '--tile-height': `${tileHeight}px`, gap: `${gap}px` }}
            >
                {view.visible.value.map((person) => (
                    <Tile key={person.identity} person={person} source="camera" view={view} />
                ))}
            </div>
            <Pager view={view} />
        </div>
    );
}

function Pager({ view }: { view: View }): JSX.Element | null {
    const pages = view.pages.value;
    const page = view.page.value;
    if (pages <= 1) return null;
    return (
        <div class="pager">
            <IconButton
                icon="previous"
                label={t.meeting.previousPage}
                disabled={page === 0}
                onClick={() => view.turnPage(-1)}
            />
            <span role="status">{t.meeting.page(page + 1, pages)}</span>
            <IconButton
                icon="next"
                label={t.meeting.nextPage}
                disabled={page === pages - 1}
                onClick={() => view.turnPage(1)}
            />
        </div>
    );
}

function Alone(): JSX.Element {
    return (
        <section class="alone" aria-label={t.meeting.alone}>
            <h2>{t.meeting.alone}</h2>
            <p>{t.meeting.aloneText}</p>
            <LinkField link={meetingLink()} label={t.landing.laterTitle} />
        </section>
    );
}
