import type { AddressInfo } from "node:net";
import type { SegmentLimits } from "../audit/segment-sealer.ts";
import { runtimeEnvironment, type ServerConfig } from "../config/config.ts";
import type { PublicUrl } from "../config/public-url.ts";
import { serverCommands } from "../maintenance/commands.ts";
import { openControl } from "../maintenance/control.ts";
import { controlPath } from "../maintenance/run-command.ts";
import { diagnoseRuntime } from "../maintenance/runtime-doors.ts";
import { type Clock, systemClock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import { createLogger, type Logger, type ReopenableLogger, silentLogger } from "../observe/log.ts";
import { defaultQuotas } from "../parts/default-quotas.ts";
import { mayTagRows, recordRowsTagged } from "../parts/may-tag-rows.ts";
import { type OpenedIdentity, openIdentity } from "../parts/open-identity.ts";
import { openPolicy } from "../parts/open-policy.ts";
import { openProxies } from "../parts/open-proxies.ts";
import { openRootKeys, rootKeyFileOf } from "../parts/open-root-keys.ts";
import { openStore } from "../parts/open-store.ts";
import { openTls } from "../parts/open-tls.ts";
import { CurrentPolicy } from "../policy/current-policy.ts";
import { createKeyServer, type KeyServer } from "./key-server.ts";
import { type ReloadablePart, Reloader } from "./reloader.ts";

/** A server that listens. */
export interface RunningServer {
  /** Scheme, host and port that clients use. */
  readonly url: PublicUrl;
  /** The port that was taken. */
  readonly port: number;
  /** @internal */
  readonly server: KeyServer;
  /**
   * Makes the log's file again if it was moved away, and reads certificate, key and policy file again. What cannot be used
   * is not put to use, and the log says so. Never rejects. For SIGHUP.
   */
  reload(): Promise<void>;
  /** Takes no more, finishes what it accepted, lets go of everything. @throws the first error, and everything is let go of */
  close(): Promise<void>;
}

/** For tests and for programs that embed the server. */
export interface StartOptions {
  readonly clock?: Clock;
  /** Default: as the configuration says. */
  readonly log?: Logger;
}

/**
 * Starts a key server.
 *
 * @throws `invalid_config`, RootKeyError, `untagged_rows`, `invalid_policy` or a database error with a message that says what to do
 */
export async function startServer(
  config: ServerConfig,
  options: StartOptions = {},
): Promise<RunningServer> {
  const clock = options.clock ?? systemClock();
  const tls = openTls(config);
  const policy = new CurrentPolicy(openPolicy(config));
  const proxies = openProxies(config);
  const ownLog = options.log ? undefined : openLog(config);
  const log = options.log ?? ownLog ?? silentLogger;
  const store = await openStore(config, clock);
  let server: KeyServer | undefined;
  let identity: OpenedIdentity | undefined;
  try {
    const rootKeys = await openRootKeys(config, store);
    const port = config.integer("listen.port");
    // With port 0 the refs are known only once a port is taken, and no request comes before.
    const taken = { url: config.publicUrl(port) };
    identity = await openIdentity(config, store, clock, () => taken.url);
    server = await createKeyServer({
      store,
      rootKeys,
      policy,
      log,
      clock,
      identity: identity.identity,
      publicUrl: () => taken.url,
      acceptedAddresses: config.acceptedAddresses(),
      ...(identity.keystoneApi && { keystoneApi: identity.keystoneApi }),
      ...(tls && { tls }),
      defaultQuotas: defaultQuotas(config),
      limits: {
        itemsPerObject: config.integer("limits.itemsPerObject"),
        waitingOrders: config.integer("limits.waitingOrders"),
      },
      aes512: config.text("orders.aes512") === "xts" ? "xts" : "any",
      deleteRetentionSeconds: config.integer("deleteRetentionSeconds"),
      rowTags: {
        untaggedRows: mayTagRows(config, store, rootKeys) ? "tag" : "refuse",
        onProgress: ({ table, rows }) => log.info({ table, rows }, "tagging rows"),
        onTagged: ({ tagged, damaged }) => {
          log.info({ tagged }, "tagged rows");
          for (const row of damaged) log.error({ row }, "not authentic, left without a tag");
        },
      },
      durableReadAudit: config.boolean("audit.durableReads"),
      auditSegments: segmentLimits(config),
      serveMetrics: config.boolean("metrics.enabled"),
      maxBodyBytes: config.integer("limits.bodyBytes"),
      maxPayloadBytes: config.integer("limits.payloadBytes"),
      pageSizes: {
        default: config.integer("limits.pageItems"),
        max: config.integer("limits.maxPageItems"),
      },
      requestTimeoutMs: config.integer("limits.requestTimeoutMs"),
      proxies,
    });
    recordRowsTagged(config, rootKeys);
    await listen(server, config.requiredText("listen.host"), port);
    const address = server.app.server.address() as AddressInfo;
    taken.url = config.publicUrl(address.port);
    await identity.ready?.();
    const { clients } = server;
    const commands = serverCommands({
      context: server.context,
      seesIgnoredProxy: () => clients.ignored,
      publicUrl: () => taken.url,
      running: true,
      rootKeyFile: rootKeyFileOf(config),
      ...(identity.administration && { administration: identity.administration }),
    });
    const control = await openControl(controlPath(config), {
      ...commands,
      runtime: async () => diagnoseRuntime(runtimeEnvironment()),
    });
    log.info({ url: taken.url, database: store.dialect }, "listening");
    if (config.tellsLocalhost)
      log.warn(
        { url: taken.url },
        "listen.host accepts requests on every address, and links in responses have localhost: set publicUrl to the URL that clients use",
      );
    const parts = { server, identity };
    const reloader = new Reloader(reloadableParts(config, { log: ownLog, policy, server }), log);
    let closed = false;
    return {
      url: taken.url,
      port: address.port,
      server,
      reload: () => reloader.reload(),
      async close() {
        if (closed) return;
        closed = true;
        log.info({}, "stopping");
        await inTurn([
          () => control.close(),
          () => parts.server.close(),
          () => parts.identity.identity.close(),
          () => store.close(),
          () => log.flush(),
        ]);
      },
    };
  } catch (error) {
    const undo = [
      () => server?.close(),
      () => identity?.identity.close(),
      () => store.close(),
      () => log.flush(),
    ];
    await inTurn(undo).catch(() => undefined); // why it did not start is what counts
    throw error;
  }
}

/**
 * Takes every step, also after one that failed: a database that cannot be closed must not cost the last lines of the log.
 *
 * @throws the first error
 */
async function inTurn(steps: readonly (() => Promise<void> | undefined)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function reloadableParts(
  config: ServerConfig,
  parts: {
    readonly log: ReopenableLogger | undefined;
    readonly policy: CurrentPolicy;
    readonly server: KeyServer;
  },
): readonly ReloadablePart[] {
  const { log, policy, server } = parts;
  const hasCertificate = config.text("tls.certificateFile") !== undefined;
  const useCertificate = () => {
    const certificate = openTls(config);
    if (certificate) server.useCertificate(certificate);
  };
  return [
    ...(log ? [{ name: "log", reload: () => log.reopen() }] : []),
    ...(hasCertificate ? [{ name: "certificate", reload: useCertificate }] : []),
    { name: "policy", reload: () => policy.replace(openPolicy(config)) },
  ];
}

function segmentLimits(config: ServerConfig): SegmentLimits {
  return {
    entries: config.integer("audit.segmentEntries"),
    bytes: config.integer("audit.segmentBytes"),
    seconds: config.integer("audit.segmentSeconds"),
  };
}

async function listen({ app }: KeyServer, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === "EADDRINUSE"
        ? "something listens there already: stop it, or choose another port"
        : `the system refuses it (${code ?? String(cause)}): choose another listen.host or listen.port`;
    throw new ServerError("invalid_config", `${host}:${port}: ${why}`, { cause });
  }
}

function openLog(config: ServerConfig): ReopenableLogger {
  const file = config.text("log.file");
  try {
    return createLogger({
      level: (config.text("log.level") ?? "info") as "info",
      ...(file !== undefined && { file }),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServerError("invalid_config", `log.file ${file}: ${reason}`, { cause });
  }
}
