// How a picture sits in its tile: filling it, or whole where that would cut most of it away.

/** Pure. Sizes in any unit; both shapes are width by height. */
export function shownWhole(picture: { width: number; height: number }, place: { width: number; height: number }): boolean {
    const ratio = picture.width / picture.height / (place.width / place.height);
    return ratio < 0.7 || ratio > 2.3;
}

/** Judges whenever the picture or its place changes shape, as both do when a phone is turned. Returns how to stop. */
export function watchFit(video: HTMLVideoElement): () => void {
    const judge = (): void => {
        const { videoWidth, videoHeight, clientWidth, clientHeight } = video;
        if (videoWidth === 0 || clientHeight === 0) return;
        const place = { width: clientWidth, height: clientHeight };
        video.classList.toggle('whole', shownWhole({ width: videoWidth, height: videoHeight }, place));
    };
    const observer = new ResizeObserver(judge);
    observer.observe(video);
    video.addEventListener('resize', judge);
    return () => {
        observer.disconnect();
        video.removeEventListener('resize', judge);
    };
}
