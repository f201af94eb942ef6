import { randomBytes } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import type { Administration } from "./administration.ts";
import { defaultDomain } from "./records.ts";

/** Where the first user's password is written, and the address for clients. */
export interface FirstStartOptions {
  readonly administration: Administration;
  /** Where `clouds.yaml` is written, mode 0600. What is there is never overwritten. */
  readonly cloudsFile: string;
  /** The server's address, without a path. */
  readonly publicUrl: string;
  /** Default: `RegionOne`. */
  readonly region?: string;
}

/** Names of what the first start makes. */
export const firstNames = { cloud: "chatelaine", user: "admin", project: "admin", role: "admin" };

/**
 * Makes the first user, an admin, and a clouds.yaml with the password, so that
 * `openstack --os-cloud chatelaine secret list` works at once. Does nothing if
 * any user already has a role.
 *
 * The file is written, and on the disk, before the user exists, and the role is
 * given last: the next start finishes an interrupted one,
 * with the password of the file. Of several nodes start one alone the first time.
 *
 * @returns true if it made the user.
 * @throws Error if there is a file already that has no such cloud.
 */
export async function makeFirstUser(options: FirstStartOptions): Promise<boolean> {
  const { administration, cloudsFile } = options;
  if ((await administration.listRoles({})).length > 0) return false;
  const fresh = randomBytes(24).toString("base64url");
  const written = await writeNew(cloudsFile, cloudsText(options, fresh));
  const password = written ? fresh : await readPassword(cloudsFile);
  const { user: name, project, role } = firstNames;
  const projects = await administration.listProjects();
  if (!projects.some((found) => found.name === project)) {
    await administration.createProject({ name: project });
  }
  const users = await administration.listUsers();
  if (users.some((found) => found.name === name)) await administration.setPassword(name, password);
  else await administration.createUser({ name, password });
  await administration.grantRole(name, project, role);
  return true;
}

function cloudsText({ publicUrl, region }: FirstStartOptions, password: string): string {
  const cloud = {
    auth_type: "password",
    auth: {
      auth_url: `${publicUrl.replace(/\/+$/, "")}/v3`,
      username: firstNames.user,
      password,
      user_domain_name: defaultDomain.name,
      project_name: firstNames.project,
      project_domain_name: defaultDomain.name,
    },
    region_name: region ?? "RegionOne",
    identity_api_version: 3,
  };
  return `# Made at the first start of the key server. Keep it secret, or change the password:
#   openstack --os-cloud ${firstNames.cloud} user password set
${stringify({ clouds: { [firstNames.cloud]: cloud } })}`;
}

/** False if there is already a file, of any owner. */
async function writeNew(path: string, text: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return true;
}

async function readPassword(path: string): Promise<string> {
  const document: unknown = parse(await readFile(path, "utf8"));
  const { clouds } = (document ?? {}) as {
    clouds?: Record<string, { auth?: { username?: unknown; password?: unknown } }>;
  };
  const auth = clouds?.[firstNames.cloud]?.auth;
  if (auth?.username === firstNames.user && typeof auth.password === "string") return auth.password;
  throw new Error(
    `first start: ${path} exists and has no cloud "${firstNames.cloud}" of ours; move it away, or configure another place for it`,
  );
}
