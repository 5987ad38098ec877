// What a person in front of the page would see and hear: decoded pixels of a <video>, the loudest tone of an <audio>.

/** Samples the video under `selector` twice, `gapMs` apart: mean colour, size, and how much of the picture changed. */
export function watchVideo(page, selector, gapMs = 700) {
  return page.evaluate(
    async (sel, gap) => {
      const video = document.querySelector(sel);
      if (!video || !video.videoWidth) return null;
      const canvas = document.createElement('canvas');
      canvas.width = 64;
      canvas.height = 36;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      const shot = () => {
        context.drawImage(video, 0, 0, 64, 36);
        return context.getImageData(0, 0, 64, 36).data;
      };
      const first = shot();
      await new Promise((resolve) => setTimeout(resolve, gap));
      const second = shot();
      // the colour that most pixels share: the median of each channel
      const median = [0, 1, 2].map((channel) => {
        const values = [];
        for (let i = channel; i < second.length; i += 4) values.push(second[i]);
        return values.sort((a, b) => a - b)[values.length >> 1];
      });
      let changed = 0;
      for (let i = 0; i < first.length; i += 4) {
        const distance =
          Math.abs(first[i] - second[i]) + Math.abs(first[i + 1] - second[i + 1]) + Math.abs(first[i + 2] - second[i + 2]);
        if (distance > 90) changed++;
      }
      return { rgb: median, changedShare: changed / (64 * 36), width: video.videoWidth, height: video.videoHeight };
    },
    selector,
    gapMs,
  );
}

export function colourNear(actual, expected, tolerance = 70) {
  return actual.every((value, channel) => Math.abs(value - expected[channel]) <= tolerance);
}

/** Listens for `ms` to the stream of the <audio> or <video> under `selector`; answers the loudest frequency and level. */
export function listen(page, selector, ms = 2500) {
  return page.evaluate(
    async (sel, duration) => {
      const element = document.querySelector(sel);
      if (!element?.srcObject) return null;
      const tracks = element.srcObject.getAudioTracks();
      if (tracks.length === 0) return null;
      const audio = (window.__listening ??= new AudioContext({ sampleRate: 48000 }));
      await audio.resume();
      const source = audio.createMediaStreamSource(new MediaStream(tracks));
      const analyser = audio.createAnalyser();
      analyser.fftSize = 4096;
      analyser.smoothingTimeConstant = 0;
      source.connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      let best = { hertz: 0, decibels: -200 };
      const end = performance.now() + duration;
      while (performance.now() < end) {
        analyser.getFloatFrequencyData(bins);
        for (let i = 2; i < bins.length; i++) {
          if (bins[i] > best.decibels) best = { hertz: (i * 48000) / 4096, decibels: bins[i] };
        }
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      source.disconnect();
      return best;
    },
    selector,
    ms,
  );
}
