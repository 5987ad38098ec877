// A short test tone through the chosen speaker: two gentle notes, faded so that nothing clicks.
import { audioContext } from './level';

const NOTES_HZ = [523.25, 659.25];
const NOTE_S = 0.45;
const RESUME_MAX_MS = 1_000;

export async function playTestTone(speakerId: string): Promise<void> {
    const context = audioContext();
    // Without any sound hardware some browsers never answer; the tone is then lost, and nothing waits for it.
    await Promise.race([context.resume(), new Promise((done) => setTimeout(done, RESUME_MAX_MS))]);
    const out = context.createMediaStreamDestination();
    const element = new Audio();
    element.srcObject = out.stream;
    if (speakerId !== '' && 'setSinkId' in element) {
        await element.setSinkId(speakerId).catch(() => undefined);
    }
    await element.play();
    const begin = context.currentTime + 0.05;
    NOTES_HZ.forEach((hz, i) => {
        const oscillator = context.createOscillator();
        const gain = context.createGain();
        const from = begin + i * NOTE_S;
        oscillator.frequency.value = hz;
        gain.gain.setValueAtTime(0, from);
        gain.gain.linearRampToValueAtTime(0.25, from + 0.05);
        gain.gain.setValueAtTime(0.25, from + NOTE_S - 0.1);
        gain.gain.linearRampToValueAtTime(0, from + NOTE_S);
        oscillator.connect(gain).connect(out);
        oscillator.start(from);
        oscillator.stop(from + NOTE_S);
    });
    await new Promise((done) => setTimeout(done, (NOTES_HZ.length * NOTE_S + 0.2) * 1000));
    element.pause();
    element.srcObject = null;
}
