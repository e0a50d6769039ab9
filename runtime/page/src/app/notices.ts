import type { Fire } from "../model/fires";
import { CHAMPION } from "../model/fires";
import { fixed, priceDecimals, signed } from "../model/format";
import type { Session } from "../model/session";
import { byId, make, setText } from "./dom";

const SHOWN_MS = 8000;
const MOST_SHOWN = 4;

/** Tell something once, in a corner of the picture, for a while. */
export function tell(text: string): void {
  const notices = byId("notices", HTMLElement);
  const notice = make("p", {}, text);
  notices.append(notice);
  while (notices.children.length > MOST_SHOWN) notices.firstElementChild?.remove();
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/** Read fires of the champion out to those who do not see them. */
export function speakFires(fires: readonly Fire[], { config }: Session): void {
  const fire = fires.find(({ model }) => model === CHAMPION);
  if (fire === undefined) return;
  const where = fire.direction > 0 ? "up" : "down";
  const price = fixed(fire.mid, priceDecimals((config?.tick_size ?? 1) / 2));
  setText(byId("spoken", HTMLElement), `Fire ${where} at ${price}, score ${signed(fire.score, 3)}`);
}
