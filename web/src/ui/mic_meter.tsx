// A level meter: reads once per animation frame and moves one element, without rendering anything again.
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { LevelReader } from '../devices/level';

export function MicMeter({ track, label }: { track: MediaStreamTrack | undefined; label?: string }): JSX.Element {
    const bar = useRef<HTMLSpanElement>(null);
    useEffect(() => {
        const element = bar.current;
        if (!track || !element) return undefined;
        const reader = new LevelReader(track);
        let frame = 0;
        let shown = -1;
        let smooth = 0;
        const draw = (): void => {
            const level = track.enabled ? reader.read() : 0;
            smooth = Math.max(level, smooth * 0.86);
            const step = Math.round(smooth * 50) / 50;
            if (step !== shown) {
                shown = step;
                element.style.transform = `scaleX(${step})`;
            }
            frame = requestAnimationFrame(draw);
        };
        frame = requestAnimationFrame(draw);
        return () => {
            cancelAnimationFrame(frame);
            reader.close();
            element.style.transform = 'scaleX(0)';
        };
    }, [track]);
    return (
        <span
            class="meter"
            role={label ? 'img' : undefined}
            aria-label={label}
            aria-hidden={label ? undefined : 'true'}
        >
            <span class="meter-bar" ref={bar} />
        </span>
    );
}
