import type { KeyManagerError } from "../model/errors.ts";
import { suggestion } from "../model/options.ts";
import { type CloudSettings, cloudSettings } from "./cloud-settings.ts";
import { type CloudValues, isCloudOption } from "./cloud-values.ts";
import { type File, invalid, isMapping, isNothing, type Mapping, mapping } from "./clouds-file.ts";
import { type FilePlaces, firstFile, searchPath } from "./clouds-path.ts";
import { inRegion } from "./regions.ts";

/** A cloud's name, and where its clouds.yaml is looked for. */
export interface CloudLocation {
  /** A name under `clouds:`. */
  readonly cloud: string;
  /** One of its regions. Default: the first one that it lists. */
  readonly region?: string | undefined;
  /** For `OS_CLIENT_CONFIG_FILE`, `OS_CLIENT_SECURE_FILE` and `XDG_CONFIG_HOME`. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
}

/**
 * Reads one cloud from the first clouds.yaml on openstacksdk's search path, with
 * the secrets of the first secure.yaml laid over it, and under it the vendor's
 * profile that it names in the first clouds-public.yaml
 * (https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html).
 *
 * What openstacksdk reads otherwise, or does not know, is refused and named. Two things differ: a text is kept as it is
 * written, whatever YAML makes of it, and the profiles that come with openstacksdk are not known here.
 *
 * @throws `invalid_argument` that names the file and what is wrong with it.
 */
export function cloudFromFiles(location: CloudLocation): CloudSettings {
  const { cloud, environment = {} } = location;
  const secure = firstFile(location, environment["OS_CLIENT_SECURE_FILE"], "secure");
  const found = firstFile(location, environment["OS_CLIENT_CONFIG_FILE"], "clouds") ?? secure;
  if (found === undefined) {
    throw invalid(
      `cloud "${cloud}"`,
      `no clouds.yaml found; looked for ${searchPath(location, "clouds").join(", ")}`,
    );
  }
  const open = entryOf(found, "clouds", cloud);
  const sealed = secure === undefined ? undefined : entryOf(secure, "clouds", cloud);
  if (open === undefined && sealed === undefined) throw unknownCloud(found, cloud);
  const own = merge(open ?? {}, sealed ?? {});
  const profile = profileOf(location, own);
  const whole = merge(profile ?? {}, own);
  if (profile === undefined && profileName(own) !== undefined && !namesKeystone(whole)) {
    throw invalid(
      found.path,
      `cloud "${cloud}" names a vendor profile: write its auth section out instead, or put "${profileName(own)}" into clouds-public.yaml`,
    );
  }
  const subject = `cloud "${cloud}"`;
  const chosen = merge(whole, inRegion(found, subject, [own, whole], location.region));
  const auth = mapping(found, `${subject}: auth`, chosen["auth"]);
  return cloudSettings(
    `${subject} of ${found.path}`,
    {
      beside: texts(found, subject, chosen, isCloudOption),
      auth: texts(found, `${subject}: auth`, auth),
    },
    location.homeDirectory,
  );
}

function entryOf(file: File, list: string, name: string): Mapping | undefined {
  const entries = mapping(file, list, file.content[list]);
  return Object.hasOwn(entries, name) ? mapping(file, `${list}.${name}`, entries[name]) : undefined;
}

function unknownCloud(file: File, cloud: string): KeyManagerError {
  const known = Object.keys(mapping(file, "clouds", file.content["clouds"]));
  if (known.length === 0) return invalid(file.path, "it has no clouds");
  return invalid(file.path, `it has no cloud "${cloud}"${suggestion(cloud, known)}`);
}

function profileOf(places: FilePlaces, cloud: Mapping): Mapping | undefined {
  const name = profileName(cloud);
  if (name === undefined) return undefined;
  const file = firstFile(places, undefined, "clouds-public");
  return file && entryOf(file, "public-clouds", name);
}

/** `cloud` is its older name. */
function profileName(cloud: Mapping): string | undefined {
  const name = cloud["profile"] ?? cloud["cloud"];
  return typeof name === "string" && !isNothing(name) ? name : undefined;
}

function namesKeystone(cloud: Mapping): boolean {
  const { auth } = cloud;
  return [cloud, isMapping(auth) ? auth : {}].some((one) =>
    ["auth_url", "auth-url"].some((name) => !isNothing(one[name])),
  );
}

function merge(base: Mapping, over: Mapping): Mapping {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const both = isMapping(merged[name]) && isMapping(value);
    merged[name] = both ? merge(merged[name] as Mapping, value) : value;
  }
  return merged;
}

/** The values that are texts. @throws `invalid_argument` if one that is read is a list or a mapping */
function texts(
  file: File,
  subject: string,
  values: Mapping,
  isRead: (name: string) => boolean = () => true,
): CloudValues {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (isNothing(value)) continue;
    if (typeof value === "string") found[name] = value;
    else if (isRead(name)) throw invalid(file.path, `${subject}: ${name} must be one text`);
  }
  return found;
}
