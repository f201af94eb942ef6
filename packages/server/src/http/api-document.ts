import { readFile } from "node:fs/promises";

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
    const text = texts.get(address) ?? render(address);
    texts.set(address, text);
    return text;
  };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, object>>;
}

async function readOpenApi(): Promise<OpenApi> {
  const { parse } = await import("yaml");
  return parse(await readFile(new URL("../../openapi.yaml", import.meta.url), "utf8")) as OpenApi;
}
