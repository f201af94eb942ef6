import { readFile } from "node:fs/promises";

export interface ApiDocumentOptions {
  /** Where this server is. */
  readonly url: () => string;
  /** True if this server serves what is under a path of the document. */
  readonly served: (path: string) => boolean;
}

/** `openapi.yaml` of this package, as JSON and for one server; read when it is first asked for. */
export function apiDocument({ url, served }: ApiDocumentOptions): () => Promise<string> {
  let read: Promise<OpenApi> | undefined;
  return async () => {
    const document = await (read ??= readOpenApi());
    const paths = Object.entries(document.paths).filter(([path]) => served(path));
    const servers = [{ url: url() }];
    return JSON.stringify({ ...document, servers, paths: Object.fromEntries(paths) });
  };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, object>>;
}

async function readOpenApi(): Promise<OpenApi> {
  const { parse } = await import("yaml");
  return parse(await readFile(new URL("../../openapi.yaml", import.meta.url), "utf8")) as OpenApi;
}
