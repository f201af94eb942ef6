import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface ApiDocumentOptions {
  /** Where this server is. */
  readonly url: () => string;
  /** True if this server serves what is under a path of the document. */
  readonly served: (path: string) => boolean;
}

/** `openapi.yaml` of this package, as JSON and for one server; read when it is first asked for. */
export function apiDocument({ url, served }: ApiDocumentOptions): () => Promise<string> {
  const texts = new Map<string, Promise<string>>();
  const render = async (address: string) => {
    const document = await readOpenApi();
    const paths = Object.entries(document.paths).filter(([path]) => served(path));
    const servers = [{ url: address }];
    return JSON.stringify({ ...document, servers, paths: Object.fromEntries(paths) });
  };
  return () => {
    // Rendered once: strangers may ask for it, and it is long.
    const address = url();
    const known = texts.get(address);
    if (known) return known;
    const text = render(address);
    texts.set(address, text);
    // What went wrong may go right at the next request.
    text.catch(() => texts.delete(address));
    return text;
  };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, object>>;
}

/** In a thread of its own, which ends with it. */
async function readOpenApi(): Promise<OpenApi> {
  const script = import.meta.url.endsWith(".ts")
    ? "api-document-reader.ts"
    : "api-document-reader.js";
  const worker = new Worker(new URL(script, import.meta.url));
  // Rejects with what the worker throws.
  const [text] = (await once(worker, "message")) as [string];
  return JSON.parse(text) as OpenApi;
}
