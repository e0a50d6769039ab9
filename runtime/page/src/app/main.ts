import type { RuntimeConfig } from "../model/protocol";
import { Session } from "../model/session";
import { type Query, readSettings, type Settings, writeSettings } from "../model/settings";
import type { Heatmap } from "../render/heatmap";
import { Stage } from "../render/stage";
import { StreamClient } from "../socket/client";
import { type Endpoints, endpointsUnder } from "../socket/endpoints";
import { Alerts } from "./alerts";
import { expose } from "./api";
import { Controls } from "./controls";
import { byId, setText } from "./dom";
import { showEvidence, showHelp } from "./evidence";
import { Header } from "./header";
import { listenToKeys } from "./keyboard";
import { Legend } from "./legend";
import { Loop } from "./loop";
import { speakFires, tell } from "./notices";
import { Level, Page } from "./page";
import { Panels } from "./panels";
import { listenToPointer } from "./pointer";
import { Readout } from "./readout";
import { showTabs } from "./tabs";
import { Tape } from "./tape";
import { onSystemTheme } from "./theme";

const LOOK_EVERY_MS = 500;
const WRITE_ADDRESS_MS = 300;

function address(): Query {
  return new Map(new URLSearchParams(location.search));
}

/** `draw=` in the address chooses how cells are drawn, for comparing. */
function wantedHeatmap(): Heatmap["kind"] | null {
  const wanted = address().get("draw");
  return wanted === "webgl2" || wanted === "canvas" ? wanted : null;
}

function start(endpoints: Endpoints): void {
  const settings = readSettings(address());
  const stageElement = byId("stage", HTMLElement);
  stageElement.tabIndex = 0;
  const canvases = ["cells", "over", "cursor"].map((id) => byId(id, HTMLCanvasElement));
  const [cells, over, cursor] = canvases as [HTMLCanvasElement, HTMLCanvasElement, HTMLCanvasElement];
  const stage = new Stage(cells, over, cursor, wantedHeatmap());
  const session = new Session(Math.min(settings.buffer, stage.heatmap.mostBins), Date.now, {
    changed: () => page.invalidate(Level.All),
    notice: tell,
    fires: (fires) => {
      speakFires(fires, session);
      alerts.fires(fires);
    },
  });
  const page = new Page(settings, session, (before) => {
    settingsChanged(page, client, before);
    alerts.chosen(before);
  });
  const alerts = new Alerts(page);
  const client = connect(page, endpoints);
  const openEvidence = () => void showEvidence(endpoints.promotion);
  const text = [new Header(page), new Tape(page), new Panels(page), new Readout(page), new Legend(page)];
  const controls = new Controls(byId("controls", HTMLElement), page, showHelp);
  const loop = new Loop(page, stage, () => {
    for (const part of [...text, controls]) part.update();
    updateStage(page);
  });
  byId("version", HTMLButtonElement).addEventListener("click", openEvidence);
  byId("live", HTMLButtonElement).addEventListener("click", () => page.backToLive());
  listenToPointer(stageElement, page, openEvidence);
  listenToKeys(page, { evidence: openEvidence, help: showHelp });
  onSystemTheme(() => page.retheme());
  watchSize(stageElement, cells, [over, cursor], loop);
  // Time passes without messages too: what is stale has to say so.
  setInterval(() => page.invalidate(Level.Text), LOOK_EVERY_MS);
  expose(page, loop, stageElement);
  showTabs(endpoints.feeds, endpoints.feed);
  client.connect();
}

function connect(page: Page, endpoints: Endpoints): StreamClient {
  const { session } = page;
  const query = (found: RuntimeConfig | null) => {
    session.serverBins = found?.buffer.bins ?? session.serverBins;
    const feed: [string, string][] = endpoints.feed === null ? [] : [["feed", endpoints.feed]];
    return new URLSearchParams([...feed, ...session.query(page.settings, address())]);
  };
  return new StreamClient(endpoints, query, {
    config: (config) => session.takeConfig(config),
    bins: (updates, cells) => session.takeBins(updates, cells),
    shadow: (updates) => session.takeShadow(updates),
    status: (status) => session.takeStatus(status),
    badFrame: (reason) => session.takeBadFrame(reason),
    connection: (connection) => session.takeConnection(connection),
  });
}

let writing: ReturnType<typeof setTimeout> | undefined;

function settingsChanged(page: Page, client: StreamClient, before: Settings): void {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const query = new URLSearchParams([...writeSettings(page.settings, address())]).toString();
    history.replaceState(null, "", query === "" ? location.pathname : `?${query}`);
  }, WRITE_ADDRESS_MS);
  if (page.settings.columns === before.columns) return;
  page.session.forget();
  client.connect();
}

/** Keep the canvases at the size of the stage, in pixels of the screen. */
function watchSize(stage: HTMLElement, cells: HTMLCanvasElement, others: HTMLCanvasElement[], loop: Loop): void {
  const measure = () => {
    const ratio = devicePixelRatio;
    const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) * ratio;
    const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
    loop.resize(width, height, unit);
    const { map } = loop.page.layout;
    cells.style.width = `${map.width / ratio}px`;
    cells.style.height = `${map.height / ratio}px`;
    for (const canvas of others) {
      canvas.style.width = `${width / ratio}px`;
      canvas.style.height = `${height / ratio}px`;
    }
  };
  new ResizeObserver(measure).observe(stage);
  // A window that is moved to another screen may keep its size while every pixel of it has another one.
  const watchRatio = () => {
    measure();
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", watchRatio, { once: true });
  };
  watchRatio();
}

function updateStage(page: Page): void {
  byId("live", HTMLButtonElement).hidden = page.isFollowing || page.head === null;
  const { config, connection } = page.session;
  const awaited =
    config !== null
      ? "Waiting for the first bin"
      : connection.state === "refused"
        ? "Nothing to show: the reason is above"
        : "Waiting for the server";
  setText(byId("empty", HTMLElement), page.head !== null ? "" : awaited);
}

start(endpointsUnder(location.href));
