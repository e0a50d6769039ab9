/** Where a stream is served: everything of it lies under one path, so that a server may have several. */
export interface Endpoints {
  readonly stream: string;
  readonly config: string;
  readonly promotion: string;
}

/** Return the endpoints under an address such as `http://127.0.0.1:8090/`; what follows its last slash is left out. */
export function endpointsUnder(address: string): Endpoints {
  const under = (path: string): URL => {
    const found = new URL(path, address);
    found.search = "";
    return found;
  };
  const stream = under("v1/stream");
  stream.protocol = stream.protocol === "https:" ? "wss:" : "ws:";
  return { stream: stream.href, config: under("v1/config").href, promotion: under("v1/promotion").href };
}
