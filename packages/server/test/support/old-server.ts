import assert from "node:assert/strict";
import { chmodSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import { loadServerConfig, type ServerConfig } from "../../src/config/config.ts";
import { type Clock, systemClock } from "../../src/model/clock.ts";
import { type RunningServer, startServer } from "../../src/startup/start-server.ts";
import { temporaryFolder } from "./harness.ts";

const fixtures = new URL("../fixtures/server-2da0dde/", import.meta.url);

/** What the old version answered, and who asked. */
export interface OldAnswer {
  readonly who: string;
  readonly path: string;
  readonly accept?: string;
  readonly status: number;
  /** As JSON; base64 if `accept` asked for something else. */
  readonly body: unknown;
}

/** See fixtures/server-2da0dde/make.ts. */
export const old = JSON.parse(readFileSync(new URL("about.json", fixtures), "utf8")) as {
  readonly atMs: number;
  readonly tokens: Readonly<Record<string, string>>;
  readonly passwords: Readonly<Record<string, string>>;
  readonly deleted: string;
  readonly waiting: string;
  readonly answers: readonly OldAnswer[];
};

/** A clock on which the old server's tokens have not expired. */
export function oldClock(): Clock {
  const begin = performance.now();
  return systemClock(() => old.atMs + 1_000 + (performance.now() - begin));
}

/** Unpacks the data directory that the old version left. */
export function oldDataDirectory(t: TestContext): string {
  const folder = temporaryFolder(t);
  for (const file of ["root-key", "clouds.yaml"]) {
    cpSync(new URL(file, fixtures), join(folder, file));
    chmodSync(join(folder, file), 0o600);
  }
  for (const file of ["keys.db", "backup.db"])
    writeFileSync(join(folder, file), gunzipSync(readFileSync(new URL(`${file}.gz`, fixtures))), {
      mode: 0o600,
    });
  return folder;
}

/** As the old server was configured. */
export function oldConfig(folder: string, flags: Record<string, string> = {}): ServerConfig {
  return loadServerConfig({
    environment: {},
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--public-url": "http://keys.test:9311",
      "--delete-retention-seconds": "604800",
      "--log-file": join(folder, "log"),
      ...flags,
    },
  });
}

/** This version on what the old one left. */
export async function startOnOld(t: TestContext, config: ServerConfig): Promise<RunningServer> {
  const server = await startServer(config, { clock: oldClock() });
  t.after(() => server.close());
  return server;
}

/** A request to a server that listens. */
export async function send(
  server: RunningServer,
  method: string,
  path: string,
  { who, accept }: { readonly who: string; readonly accept?: string | undefined },
): Promise<{ readonly status: number; readonly bytes: Buffer }> {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: { "x-auth-token": old.tokens[who] ?? "", accept: accept ?? "application/json" },
  });
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
}

/** Everything is answered as the old version answered it. */
export async function assertAnswersAsBefore(server: RunningServer): Promise<void> {
  for (const { who, path, accept, status, body } of old.answers) {
    const answer = await send(server, "GET", path, { who, accept });
    const text = answer.bytes.toString();
    assert.equal(answer.status, status, `${who} ${path}: ${text}`);
    if (accept !== undefined) assert.equal(answer.bytes.toString("base64"), body, path);
    else assertSameOrMore(JSON.parse(text), body, `${who} ${path}`);
  }
}

/** A list may have more by now: what the order made that waited. */
function assertSameOrMore(now: unknown, before: unknown, message: string): void {
  const { total, ...lists } = before as Readonly<Record<string, unknown>>;
  if (total === undefined) return assert.deepEqual(now, before, message);
  for (const [name, items] of Object.entries(lists)) {
    if (!Array.isArray(items)) continue;
    const found = (now as Readonly<Record<string, unknown>>)[name] as readonly unknown[];
    for (const item of items)
      assert.ok(
        found.some((one) => isDeepStrictEqual(one, item)),
        `${message}: ${JSON.stringify(item)}`,
      );
  }
}
