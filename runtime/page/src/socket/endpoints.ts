/** Where a stream is served. The feed that an address names with `feed=` is asked for everywhere. */
export interface Endpoints {
  readonly stream: string;
  readonly config: string;
  readonly promotion: string;
  readonly feeds: string;
  /** The name of the feed; null for the only one of a server, or the first. */
  readonly feed: string | null;
}

/** Return the endpoints under an address such as `http://127.0.0.1:8090/`; what follows its last slash is left out. */
export function endpointsUnder(address: string): Endpoints {
  const feed = new URL(address).searchParams.get("feed");
  const under = (path: string, isOfFeed: boolean): URL => {
    const found = new URL(path, address);
    found.search = isOfFeed && feed !== null ? `?${new URLSearchParams({ feed })}` : "";
    return found;
  };
  const stream = under("v1/stream", false);
  stream.protocol = stream.protocol === "https:" ? "wss:" : "ws:";
  const [config, promotion] = [under("v1/config", true).href, under("v1/promotion", true).href];
  return { stream: stream.href, config, promotion, feeds: under("v1/feeds", false).href, feed };
}
