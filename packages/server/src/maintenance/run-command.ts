import { join } from "node:path";
import { AuditTrail } from "../audit/audit-trail.ts";
import type { ServerConfig } from "../config/config.ts";
import { systemClock } from "../model/clock.ts";
import { createContext } from "../parts/create-context.ts";
import { defaultQuotas } from "../parts/default-quotas.ts";
import { mayTagRows, recordRowsTagged } from "../parts/may-tag-rows.ts";
import { openIdentity } from "../parts/open-identity.ts";
import { openPolicy } from "../parts/open-policy.ts";
import { openRootKeys, rootKeyFileOf } from "../parts/open-root-keys.ts";
import { openStore } from "../parts/open-store.ts";
import type { TaggingReport } from "../row-tagging/tag-existing-rows.ts";
import { serverCommands } from "./commands.ts";
import { callControl, carryOut, type OnCommandProgress } from "./control.ts";

/** Where the running server's control socket is. */
export function controlPath(config: ServerConfig): string {
  return join(config.requiredText("dataDirectory"), "control.sock");
}

/**
 * Carries out an administrator's command: in the running server of this host, or,
 * if none runs, here, on its database.
 *
 * @param onProgress how far a long command is, in a form that depends on the command
 * @throws ServerError, a database error, RootKeyError or `untagged_rows`
 */
export async function runServerCommand(
  config: ServerConfig,
  command: string,
  args: readonly string[] = [],
  onProgress?: OnCommandProgress,
): Promise<unknown> {
  const answered = await callControl(controlPath(config), command, args, onProgress);
  if (answered) return answered.result;
  const clock = systemClock();
  const store = await openStore(config, clock);
  try {
    const rootKeys = await openRootKeys(config, store);
    let tagging: TaggingReport = { tagged: 0, damaged: [] };
    const allowed = command === "tag-rows" || mayTagRows(config, store, rootKeys);
    const context = await createContext({
      store,
      rootKeys,
      clock,
      policy: openPolicy(config),
      audit: new AuditTrail({ store, clock }),
      defaultQuotas: defaultQuotas(config),
      rowTags: {
        untaggedRows: allowed ? "tag" : "refuse",
        onTagged: (report) => {
          tagging = report;
        },
      },
    });
    recordRowsTagged(config, rootKeys);
    const { identity, administration } = await openIdentity(config, store, clock, () =>
      config.publicUrl(0),
    );
    const commands = serverCommands({
      context,
      running: false,
      tagging,
      rootKeyFile: rootKeyFileOf(config),
      ...(administration && { administration }),
    });
    const result = await carryOut(commands, command, args, onProgress);
    await identity.close();
    return result;
  } finally {
    await store.close();
  }
}
