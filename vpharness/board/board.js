// Brings the parts of an open page that are marked `data-live` up to date; without it the page shows them once loaded.
const SECONDS = 3;

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (answer === null || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    const isUsed = part.contains(document.activeElement) && document.activeElement !== document.body;
    if (now !== null && !isUsed && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
  }
}

async function keepLive() {
  for (;;) {
    await new Promise((done) => setTimeout(done, SECONDS * 1000));
    await refresh();
  }
}

keepLive();
