import { suggestion } from "../model/options.ts";
import { type File, invalid, isMapping, isNothing, type Mapping, mapping } from "./clouds-file.ts";

interface Region {
  readonly name: string;
  /** Of a cloud's values, what the region has otherwise. */
  readonly values: Mapping;
}

/**
 * What a cloud says of the chosen region, its name included: of the one that is wanted, else of the first one.
 *
 * @param clouds the first of them that lists regions counts.
 * @throws `invalid_argument` if the cloud has several regions, and not the one that is wanted.
 */
export function inRegion(
  file: File,
  subject: string,
  clouds: readonly Mapping[],
  wanted: string | undefined,
): Mapping {
  const listed = clouds
    .map((cloud) => regionsOf(file, subject, cloud))
    .find(({ length }) => length > 0);
  const [first, ...others] = listed ?? [];
  if (first === undefined) return wanted === undefined ? {} : named(wanted);
  const chosen = wanted === undefined ? first : listed?.find(({ name }) => name === wanted);
  if (chosen !== undefined) return named(chosen.name, chosen.values);
  if (others.length === 0 && Object.keys(first.values).length === 0) return named(wanted);
  const known = [first, ...others].map(({ name }) => name);
  throw invalid(
    file.path,
    `${subject} has no region "${wanted}"${suggestion(wanted ?? "", known)}`,
  );
}

/** `regions`, a list of names or of mappings; else `region_name`, which may have several with commas between. */
function regionsOf(file: File, subject: string, cloud: Mapping): readonly Region[] {
  const name = cloud["region_name"] ?? cloud["region-name"];
  const names = typeof name === "string" && !isNothing(name) ? name.split(",") : name;
  const listed = isNothing(cloud["regions"]) ? names : cloud["regions"];
  if (isNothing(listed)) return [];
  if (!Array.isArray(listed)) throw invalid(file.path, `${subject}: regions must be a list`);
  return listed.map((region: unknown) => regionOf(file, subject, region));
}

function regionOf(file: File, subject: string, region: unknown): Region {
  if (typeof region === "string" && !isNothing(region)) return { name: region, values: {} };
  if (isMapping(region) && typeof region["name"] === "string") {
    const others = Object.keys(region).filter((name) => !["name", "values"].includes(name));
    if (others.length === 0) {
      const values = mapping(file, `${subject}: values of a region`, region["values"]);
      return { name: region["name"], values };
    }
  }
  throw invalid(file.path, `${subject}: a region is a name, or has name and values alone`);
}

function named(name: string | undefined, values: Mapping = {}): Mapping {
  return { ...values, region_name: name, "region-name": undefined };
}
