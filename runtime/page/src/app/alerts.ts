import type { Fire } from "../model/fires";
import { CHAMPION } from "../model/fires";
import { fixed, priceDecimals, signed } from "../model/format";
import type { Settings } from "../model/settings";
import { tell } from "./notices";
import type { Page } from "./page";

/** A rising pair of tones says up, a falling one down; Hz. */
const TONES = { low: 587, high: 880 } as const;
const TONE_S = 0.14;
const VOLUME = 0.12;

/**
 * Tells somebody who looks elsewhere that the champion has fired: by two tones, by a notice of the desktop, or not at
 * all, which is how it begins.
 */
export class Alerts {
  #context: AudioContext | null = null;

  constructor(readonly page: Page) {
    // A browser lets a page sound once it was used: until then the context waits.
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => this.#wake());
  }

  fires(fires: readonly Fire[]): void {
    const { settings, session } = this.page;
    const fire = fires.find(({ model }) => model === CHAMPION);
    if (fire === undefined) return;
    if (settings.alert.includes("sound")) this.#sound(fire.direction > 0);
    if (!settings.alert.includes("desktop") || !isAllowed()) return;
    const { instrument = "", tick_size: tick = 1, model } = session.config ?? {};
    const price = fixed(fire.mid, priceDecimals(tick / 2));
    const title = `${instrument} ${fire.direction > 0 ? "\u25b2 up" : "\u25bc down"} at ${price}`;
    const body = `${model?.signal ?? ""} ${model?.version ?? ""}, score ${signed(fire.score, 3)}`;
    // One notice of an instrument takes the place of the one before.
    new Notification(title, { body, tag: `vpharness ${instrument}`, silent: true });
  }

  /** Ask for what a newly chosen alert needs; the user has just clicked on it. */
  chosen(before: Settings): void {
    const { alert } = this.page.settings;
    const isNew = (name: Settings["alert"][number]) => alert.includes(name) && !before.alert.includes(name);
    if (isNew("sound")) {
      this.#wake();
      this.#sound(true);
    }
    if (isNew("desktop")) void this.#askPermission();
  }

  async #askPermission(): Promise<void> {
    const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
    if (answer === "granted") return;
    this.page.toggleAlert("desktop");
    tell("This browser does not let the page show desktop notices: allow them for this address first.");
  }

  #wake(): void {
    if (!this.page.settings.alert.includes("sound")) return;
    this.#context ??= new AudioContext();
    void this.#context.resume();
  }

  #sound(isUp: boolean): void {
    const context = this.#context;
    if (context === null || context.state !== "running") return;
    const tones = isUp ? [TONES.low, TONES.high] : [TONES.high, TONES.low];
    tones.forEach((frequency, i) => {
      const start = context.currentTime + i * TONE_S;
      const [tone, gain] = [context.createOscillator(), context.createGain()];
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(VOLUME, start);
      gain.gain.exponentialRampToValueAtTime(0.001, start + TONE_S);
      tone.connect(gain).connect(context.destination);
      tone.start(start);
      tone.stop(start + TONE_S);
    });
  }
}

function isAllowed(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}
