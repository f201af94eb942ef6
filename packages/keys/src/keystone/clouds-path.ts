import { join } from "node:path";
import { type File, invalid, readFile } from "./clouds-file.ts";

/** Where clouds.yaml and its companions are looked for. */
export interface FilePlaces {
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
}

/** openstacksdk's: the working directory, the user's configuration, then the system's. */
export function searchPath(
  { workingDirectory, homeDirectory, environment = {} }: FilePlaces,
  stem: string,
): string[] {
  const home = join(homeDirectory, ".config");
  const directories = new Set([
    workingDirectory,
    join(environment["XDG_CONFIG_HOME"] || home, "openstack"),
    join(home, "openstack"),
    "/etc/xdg/openstack",
    "/etc/openstack",
  ]);
  return [...directories].flatMap((directory) =>
    ["yaml", "yml", "json"].map((ending) => join(directory, `${stem}.${ending}`)),
  );
}

/** @throws `invalid_argument` if a file cannot be read, or `override` names none. */
export function firstFile(
  places: FilePlaces,
  override: string | undefined,
  stem: string,
): File | undefined {
  if (override !== undefined && override !== "") {
    const file = readFile(override);
    if (file === undefined)
      throw invalid(override, "no such file, though the environment names it");
    return file;
  }
  for (const path of searchPath(places, stem)) {
    const file = readFile(path);
    if (file !== undefined) return file;
  }
  return undefined;
}
