import { join } from "node:path";
import { AuditTrail } from "../audit/audit-trail.ts";
import { systemClock } from "../clock.ts";
import type { ServerConfig } from "../config.ts";
import { defaultQuotas } from "../default-quotas.ts";
import { openIdentity } from "../open-identity.ts";
import { openPolicy } from "../open-policy.ts";
import { openRootKeys, rootKeyPath } from "../open-root-keys.ts";
import { openStore } from "../open-store.ts";
import { createContext } from "../server.ts";
import { serverCommands } from "./commands.ts";
import { ControlError, callControl } from "./control.ts";

/** Where the running server's control socket is. */
export function controlPath(config: ServerConfig): string {
  return join(config.requiredText("dataDirectory"), "control.sock");
}

/**
 * Carries out an administrator's command: in the running server of this host, or,
 * if none runs, here, on its database.
 *
 * @throws ControlError, StoreError or RootKeyError
 */
export async function runServerCommand(
  config: ServerConfig,
  command: string,
  args: readonly string[] = [],
): Promise<unknown> {
  const answered = await callControl(controlPath(config), command, args);
  if (answered) return answered.result;
  const clock = systemClock();
  const store = await openStore(config, clock);
  try {
    const rootKeys = await openRootKeys(config, store);
    const context = await createContext({
      store,
      rootKeys,
      clock,
      policy: openPolicy(config),
      audit: new AuditTrail({ store, clock }),
      defaultQuotas: defaultQuotas(config),
    });
    const { identity, administration } = await openIdentity(config, store, clock, () =>
      config.publicUrl(0),
    );
    const commands = serverCommands({
      context,
      running: false,
      ...(config.text("rootKey.value") === undefined && { rootKeyFile: rootKeyPath(config) }),
      ...(administration && { administration }),
    });
    const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
    if (!run) throw new ControlError(`unknown command ${command}`);
    const result = await run(...args);
    await identity.close();
    return result;
  } finally {
    await store.close();
  }
}
