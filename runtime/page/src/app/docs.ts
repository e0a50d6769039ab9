const wanted = new URLSearchParams(location.search).get("theme");
const isChosen = wanted === "dark" || wanted === "light";
const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";

// Runs before anything is drawn, so that no page of the documentation flashes in another theme than its own.
document.documentElement.dataset.theme = isChosen ? wanted : system;

if (isChosen) document.addEventListener("DOMContentLoaded", keepTheme);

/** Have links to other pages of this server show the theme that was chosen for this one. */
function keepTheme(): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[href]")) {
    const isHere = link.origin === location.origin && !link.getAttribute("href")?.startsWith("#");
    if (isHere) link.search = `?theme=${document.documentElement.dataset.theme}`;
  }
}
