import { type ListedFeed, listedFeeds } from "../model/feeds";
import { byId, make, setClass } from "./dom";

const LOOK_EVERY_MS = 5000;
const PATIENCE_MS = 3000;

/** Show a tab for each feed of a server that has several, and keep saying which of them cannot be relied on. */
export function showTabs(address: string, chosen: string | null): void {
  const tabs = make("nav", { id: "feeds", "aria-label": "Feeds" });
  const look = async () => {
    const feeds = await ask(address);
    if (feeds !== null && feeds.length > 1) fill(tabs, feeds, chosen ?? feeds[0]?.name ?? null);
    setTimeout(() => void look(), LOOK_EVERY_MS);
  };
  byId("instrument", HTMLElement).closest("header")?.prepend(tabs);
  void look();
}

function fill(tabs: HTMLElement, feeds: readonly ListedFeed[], chosen: string | null): void {
  while (tabs.children.length > feeds.length) tabs.lastElementChild?.remove();
  feeds.forEach((feed, place) => {
    const tab = tabs.children[place] ?? tabs.appendChild(newTab());
    if (tab.textContent !== feed.name) tab.textContent = feed.name;
    tab.setAttribute("href", `?${queryOfFeed(location.search, feed.name)}`);
    tab.setAttribute("title", [feed.instrument, ...feed.reasons].join("\n"));
    setClass(tab, feed.isReady ? "" : "critical");
    if (feed.name === chosen) tab.setAttribute("aria-current", "page");
  });
}

/** A link whose address has the view as it is when it is followed. */
function newTab(): HTMLAnchorElement {
  const tab = make("a");
  tab.addEventListener("click", () => {
    tab.search = `?${queryOfFeed(location.search, tab.textContent ?? "")}`;
  });
  return tab;
}

/** The query of another feed's page: the view stays as it is, overrides of this feed's model are left out. */
function queryOfFeed(query: string, name: string): string {
  const found = new URLSearchParams(query);
  for (const key of [...found.keys()]) if (key === "threshold" || key.startsWith("signal.")) found.delete(key);
  found.set("feed", name);
  return found.toString();
}

/** The feeds that the server lists; null where it does not say. */
async function ask(address: string): Promise<readonly ListedFeed[] | null> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? listedFeeds(await answer.json()) : null;
  } catch {
    return null;
  }
}
