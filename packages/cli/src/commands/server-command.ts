import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { KeyManagerError } from "@chatelaine/keys";
import type { OnCommandProgress } from "@chatelaine/server";
import {
  flagOf,
  type Setting,
  type SettingName,
  settingNames,
  settings,
} from "@chatelaine/server/settings";
import type { Command } from "commander";
import { plain } from "../terminal/output.ts";
import type { Context } from "./command.ts";

const defaultConfigFile = "/etc/chatelaine/server.yaml";

/** A command that the running server carries out, or this process on its database if no server runs. */
export function simple(
  parent: Command,
  context: (command: Command) => Context,
  usage: string,
  summary: string,
  name: string,
): void {
  configured(parent, usage, summary).action(async (...given: unknown[]) => {
    const command = given.at(-1) as Command;
    const args = given.filter((value) => typeof value === "string");
    show(context(command), await runCommand(context, command, name, args));
  });
}

export async function runCommand(
  context: (command: Command) => Context,
  command: Command,
  name: string,
  args: readonly string[],
  onProgress?: OnCommandProgress,
): Promise<unknown> {
  const { runServerCommand } = await import("@chatelaine/server");
  return runServerCommand(await loadConfig(context, command), name, args, onProgress);
}

export function show(context: Context, result: unknown): void {
  if (result === null || result === undefined) return;
  context.print(result, plain(context.terminal, result));
}

/** What a file holds; `-` is standard input. */
export function textOf({ terminal }: Context, file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : resolve(terminal.workingDirectory, file), "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KeyManagerError("invalid_argument", `read ${file}: ${code ?? "failed"}`, { cause });
  }
}

/** A verb that has a flag for each setting of the server. */
export function configured(parent: Command, usage: string, summary: string): Command {
  const command = parent
    .command(usage)
    .description(summary)
    .option(
      "--server-config <file>",
      `the server's configuration file (CHATELAINE_SERVER_CONFIG; default ${defaultConfigFile}, if it is there)`,
    );
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    // A secret in a command line is everybody's to read: file or environment only.
    if (setting.type === "secret") continue;
    const shown = setting.default === undefined ? "" : ` (default: ${String(setting.default)})`;
    command.option(`${flagOf(name)} <value>`, setting.help + shown);
  }
  return command;
}

export async function loadConfig(context: (command: Command) => Context, command: Command) {
  const { loadServerConfig } = await import("@chatelaine/server");
  const { terminal } = context(command);
  const options = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string | undefined> = {};
  for (const name of settingNames) flags[flagOf(name)] = options[optionOf(name)];
  const named =
    options["serverConfig"] ?? (terminal.environment["CHATELAINE_SERVER_CONFIG"] || undefined);
  const file = named ?? (existsSync(defaultConfigFile) ? defaultConfigFile : undefined);
  return loadServerConfig({
    flags,
    environment: terminal.environment,
    ...(file !== undefined && { file }),
  });
}

/** As commander names the value of a flag. */
function optionOf(name: SettingName): string {
  return flagOf(name)
    .slice(2)
    .replaceAll(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
}
