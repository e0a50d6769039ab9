import type { Cells, GridUpdate, RuntimeConfig, ShadowUpdate, Status } from "../model/protocol";
import { FrameDecoder } from "./arrow";
import { ProtocolError } from "./checks";
import { decodeText } from "./decode";

/** What comes out of a stream; bins come in the order of the stream, with their cells where these could be read. */
export interface StreamListener {
  config(config: RuntimeConfig): void;
  bins(updates: readonly GridUpdate[], cells: Cells | null): void;
  /** What the model of this client's own overrides says of bins that came before. */
  shadow(updates: readonly ShadowUpdate[]): void;
  status(status: Status): void;
  /** The server said why it closes. */
  error(message: string): void;
  /** A message could not be read; the stream goes on without it. */
  badFrame(reason: string): void;
}

/**
 * Puts the messages of one connection together: a text that announces bins, and the binary frame right behind it.
 *
 * Whatever is wrong with one of them costs that one: a frame that can't be read leaves its bins without cells, a text
 * that can't be read takes its frame with it.
 */
export class Frames {
  #decoder: FrameDecoder | null = null;
  #waiting: readonly GridUpdate[] | null = null;
  #isOrphan = false;

  constructor(readonly listener: StreamListener) {}

  takeText(text: string): void {
    this.#giveUpWaiting();
    try {
      this.#takeMessage(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#isOrphan = true;
      this.listener.badFrame(error.message);
    }
  }

  takeBinary(frame: ArrayBuffer): void {
    const updates = this.#waiting;
    const wasOrphan = this.#isOrphan;
    this.#waiting = null;
    this.#isOrphan = false;
    if (updates === null || this.#decoder === null) {
      if (!wasOrphan) this.listener.badFrame("a binary frame came that no text had announced");
      return;
    }
    this.listener.bins(updates, this.#decoded(this.#decoder, frame, updates.length));
  }

  #takeMessage(text: string): void {
    const message = decodeText(text);
    this.#isOrphan = false;
    switch (message.type) {
      case "runtime_config":
        this.#decoder =
          message.schema !== null && message.fields.length > 0
            ? new FrameDecoder(message.schema, message.fields, 2 * message.radius + 1)
            : null;
        this.listener.config(message);
        break;
      case "grid_update":
        this.#announce([message]);
        break;
      case "grid_history":
        this.#announce(message.updates);
        break;
      case "shadow_history":
        this.listener.shadow(message.updates);
        break;
      case "status":
        this.listener.status(message);
        break;
      case "error":
        this.listener.error(message.message);
    }
  }

  #announce(updates: readonly GridUpdate[]): void {
    if (this.#decoder === null) this.listener.bins(updates, null);
    else this.#waiting = updates;
  }

  #giveUpWaiting(): void {
    if (this.#waiting === null) return;
    this.listener.badFrame("the binary frame of a bin did not come");
    this.listener.bins(this.#waiting, null);
    this.#waiting = null;
  }

  #decoded(decoder: FrameDecoder, frame: ArrayBuffer, bins: number): Cells | null {
    try {
      return decoder.decode(frame, bins);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.listener.badFrame(error.message);
      return null;
    }
  }
}
