import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadServerConfig, startServer } from "@chatelaine/server";
import { parse } from "yaml";

/** Our own key server, with identity of its own, on a database and a port of its own. */
export interface OwnKeyServer {
  /** Without a path. */
  readonly url: string;
  /** Made at the first start: the cloud `chatelaine`, whose user is an admin. */
  readonly cloudsFile: string;
  readonly admin: { readonly username: string; readonly password: string };
  /** The `OS_*` variables of a user. */
  environment(login: {
    readonly username: string;
    readonly password: string;
    readonly projectName: string;
  }): Record<string, string>;
  stop(): Promise<void>;
}

/** Starts one in this process. @param flags the server's own, besides those for its place */
export async function startOwnKeyServer(
  flags: Readonly<Record<string, string>> = {},
): Promise<OwnKeyServer> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-interop-server-"));
  const config = loadServerConfig({
    environment: {},
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--identity-mode": "builtin",
      "--log-file": join(folder, "log"),
      ...flags,
    },
  });
  const server = await startServer(config);
  const cloudsFile = join(folder, "clouds.yaml");
  const { clouds } = parse(readFileSync(cloudsFile, "utf8")) as {
    clouds: { chatelaine: { auth: { username: string; password: string } } };
  };
  return {
    url: server.url,
    cloudsFile,
    admin: clouds.chatelaine.auth,
    environment: ({ username, password, projectName }) => ({
      OS_AUTH_TYPE: "password",
      OS_AUTH_URL: `${server.url}/v3`,
      OS_IDENTITY_API_VERSION: "3",
      OS_USERNAME: username,
      OS_PASSWORD: password,
      OS_USER_DOMAIN_NAME: "Default",
      OS_PROJECT_NAME: projectName,
      OS_PROJECT_DOMAIN_NAME: "Default",
      OS_REGION_NAME: "RegionOne",
    }),
    async stop() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
