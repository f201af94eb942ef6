import { readFileSync, statSync } from "node:fs";
import { ServerError } from "../model/server-error.ts";

/**
 * Reads a file that a setting names, and that a reload reads again. A pipe or a terminal would make a running server wait.
 * No setting means anything by an empty file: an editor truncates a file before it writes it.
 *
 * @throws `invalid_config` with the setting, the path and the reason
 */
export function readSettingFile(setting: string, path: string): Buffer {
  try {
    const found = statSync(path);
    if (!found.isFile() && !found.isDirectory())
      throw new Error("it must be a regular file, so that a reload can read it again");
    const bytes = readFileSync(path);
    if (bytes.toString().trim() === "")
      throw new Error(
        "the file is empty, perhaps after an interrupted write; write it again, or unset the setting",
      );
    return bytes;
  } catch (cause) {
    throw new ServerError("invalid_config", `${setting} ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}
