import { delayMs } from "../model/backoff";
import type { Connection } from "../model/health";
import type { RuntimeConfig } from "../model/protocol";
import { decodeText } from "./decode";
import type { Endpoints } from "./endpoints";
import { Frames, type StreamListener } from "./frames";

/** An error is the last message of a connection: it is told once, as the reason of its end. */
export interface ClientListener extends Omit<StreamListener, "error"> {
  connection(connection: Connection): void;
}

const BAD_QUERY = 1008;
const PATIENCE_MS = 3000;

/**
 * A stream that is kept open: it connects, and connects again after ever longer waits (back to the shortest once a
 * server has said hello), asking for what came after the last bin. It gives up only where the server refuses the query.
 */
export class StreamClient {
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | null = null;
  #attempt = 0;
  #reason: string | null = null;

  /** `query` is asked anew for every connection, with what the server is found to be served with. */
  constructor(
    readonly endpoints: Endpoints,
    readonly query: (found: RuntimeConfig | null) => URLSearchParams,
    readonly listener: ClientListener,
  ) {}

  connect(): void {
    this.close();
    this.#reason = null;
    this.listener.connection({ state: "connecting" });
    const asking = new AbortController();
    this.#asking = asking;
    void askConfig(this.endpoints.config, asking.signal).then((found) => {
      if (asking === this.#asking) this.#open(this.query(found));
    });
  }

  #open(query: URLSearchParams): void {
    const socket = new WebSocket(`${this.endpoints.stream}?${query}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const frames = new Frames(this.#watched());
    socket.addEventListener("open", () => this.listener.connection({ state: "open" }));
    socket.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.#socket) return;
      if (typeof data === "string") frames.takeText(data);
      else frames.takeBinary(data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#closed(event);
    });
  }

  /** Close for good, or until `connect`. */
  close(): void {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #watched(): StreamListener {
    const { listener } = this;
    return {
      config: (config) => {
        this.#attempt = 0;
        listener.config(config);
      },
      bins: (updates, cells) => listener.bins(updates, cells),
      shadow: (updates) => listener.shadow(updates),
      status: (status) => listener.status(status),
      error: (message) => {
        this.#reason = message;
      },
      badFrame: (reason) => listener.badFrame(reason),
    };
  }

  #closed(event: CloseEvent): void {
    this.#socket = null;
    const reason = this.#reason ?? (event.reason !== "" ? event.reason : "the connection to the server is gone");
    if (event.code === BAD_QUERY) {
      this.listener.connection({ state: "refused", reason });
      return;
    }
    const delay = delayMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.connect(), delay);
    this.listener.connection({ state: "waiting", retryAtMs: Date.now() + delay, reason });
  }
}

/** What the server is served with; null where it does not say, which the stream itself will explain. */
async function askConfig(address: string, signal: AbortSignal): Promise<RuntimeConfig | null> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
    const message = answer.ok ? decodeText(await answer.text()) : null;
    return message?.type === "runtime_config" ? message : null;
  } catch {
    return null;
  }
}
