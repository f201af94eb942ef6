import { readFileSync, statSync } from "node:fs";
import { ConfigError } from "./config.ts";

/**
 * Reads a file that a setting names, and that a reload reads again. A pipe or a terminal would make a running server wait.
 *
 * @throws ConfigError with the setting, the path and the reason
 */
export function readSettingFile(setting: string, path: string): Buffer {
  try {
    const found = statSync(path);
    if (!found.isFile() && !found.isDirectory())
      throw new Error("it must be a regular file, so that a reload can read it again");
    return readFileSync(path);
  } catch (cause) {
    throw new ConfigError(`${setting} ${path}: ${(cause as Error).message}`, { cause });
  }
}
