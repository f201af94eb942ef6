import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openKeyManager, settingsFromEnvironment } from "@chatelaine/keys";
import { parse } from "yaml";
import type { Opened } from "../config/open-key-manager.ts";

export interface EmbeddedServerOptions {
  /** Made if it is not there; everything that the server keeps is in it. */
  readonly dataDirectory: string;
  /** Default: the one that clients of this data directory know, else 9311. 0 for any that is free. */
  readonly port?: number | undefined;
}

/** A key server in this process, and its key manager as its first user sees it. */
export interface EmbeddedServer extends Opened {
  readonly url: string;
  /** Tells clients of it where it is, and has the first user's password. */
  readonly cloudsFile: string;
  readonly cloud: string;
  /** The same as `chatelaine server NAME ARGUMENTS…`. */
  command(name: string, ...args: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

/** Starts a key server with built-in identity on 127.0.0.1. @throws ServerError */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { dataDirectory } = options;
  const { firstNames, loadServerConfig, runServerCommand, startServer } = await import(
    "@chatelaine/server"
  );
  const { cloud } = firstNames;
  const cloudsFile = join(dataDirectory, "clouds.yaml");
  const config = loadServerConfig({
    environment: {},
    flags: {
      "--data-directory": dataDirectory,
      "--listen-port": String(options.port ?? portOf(cloudsFile, cloud) ?? 9311),
      "--log-file": join(dataDirectory, "server.log"),
    },
  });
  const server = await startServer(config);
  try {
    const { caller } = settingsFromEnvironment(
      { OS_CLIENT_CONFIG_FILE: cloudsFile, OS_CLOUD: cloud },
      { working: dataDirectory, home: dataDirectory },
    );
    return {
      url: server.url,
      cloudsFile,
      cloud,
      // The file is written once, so after a change of the port it has the old one.
      caller: caller.type === "project" ? caller : { ...caller, authUrl: `${server.url}/v3` },
      keyManager: openKeyManager({ barbican: { endpoint: server.url } }),
      command: (name, ...args) => runServerCommand(config, name, args),
      close: () => server.close(),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function portOf(cloudsFile: string, cloud: string): number | undefined {
  if (!existsSync(cloudsFile)) return undefined;
  const document = parse(readFileSync(cloudsFile, "utf8")) as {
    readonly clouds?: Readonly<Record<string, { readonly auth?: { readonly auth_url?: string } }>>;
  } | null;
  const address = document?.clouds?.[cloud]?.auth?.auth_url ?? "";
  return URL.canParse(address) ? Number(new URL(address).port) || undefined : undefined;
}
