/** Fills an empty Keystone: roles, projects, users, the catalog, an application credential, a trust. */
import { KeystoneAdmin, passwordToken } from "./keystone-admin.ts";
import { type LabLayout, legacyRegion, secureRegion } from "./layout.ts";

/** Everyone whom the lab knows, and what they may: user → project → roles. */
const users = {
  admin: { admin: ["admin", "key-manager:service-admin"], demo: ["admin"] },
  /** The service user: Barbican itself validates tokens with it; suites send service tokens with it. */
  barbican: { service: ["admin", "service"] },
  demo: { demo: ["member", "creator", "reader"] },
  demo2: { demo2: ["member", "creator", "reader"] },
  "demo-creator": { demo: ["creator"] },
  "demo-observer": { demo: ["observer"] },
  "demo-audit": { demo: ["audit"] },
  "demo-member": { demo: ["member"] },
  "demo-reader": { demo: ["reader"] },
} as const satisfies Record<string, Record<string, readonly string[]>>;

export type LabUserName = keyof typeof users;

export const labUserNames = Object.keys(users) as LabUserName[];

/** What a suite may want to know of what was made; kept in the lab's directory, mode 0600. */
export interface Seed {
  readonly userIds: Readonly<Record<LabUserName, string>>;
  readonly projectIds: Readonly<Record<string, string>>;
  /** Of user demo in project demo, with roles creator and member. */
  readonly applicationCredential: {
    readonly id: string;
    readonly name: string;
    readonly secret: string;
  };
  /** Lets demo2 act as demo in project demo, with roles creator and member. */
  readonly trust: {
    readonly id: string;
    readonly trusteeUser: "demo2";
    readonly trustorUser: "demo";
  };
}

/** The project that a user works in: its first one. */
export function projectOf(user: LabUserName): string {
  return Object.keys(users[user])[0] ?? "demo";
}

export async function seedKeystone(lab: LabLayout, password: string): Promise<Seed> {
  lab.log("Keystone: making projects, users and the catalog");
  const login = (username: LabUserName) =>
    passwordToken(lab.keystoneUrl, { username, password, projectName: projectOf(username) });
  const admin = new KeystoneAdmin(
    lab.keystoneUrl,
    await passwordToken(lab.keystoneUrl, { username: "admin", password, projectName: "admin" }),
  );
  const projectIds: Record<string, string> = {};
  const roleIds: Record<string, string> = {};
  const userIds: Partial<Record<LabUserName, string>> = {};
  for (const name of labUserNames) {
    const extra = { password, domain_id: "default" };
    const userId = await admin.ensure("user", name, extra);
    userIds[name] = userId;
    for (const [project, roles] of Object.entries(users[name])) {
      projectIds[project] ??= await admin.ensure("project", project, { domain_id: "default" });
      for (const role of roles) {
        roleIds[role] ??= await admin.ensure("role", role);
        await admin.grant(projectIds[project], userId, roleIds[role]);
      }
    }
  }
  const ids = userIds as Record<LabUserName, string>;
  const keyManager = await admin.ensure("service", "barbican", { type: "key-manager" });
  const identity = await admin.ensure("service", "keystone", { type: "identity" });
  await admin.ensureEndpoint(keyManager, legacyRegion, lab.legacyUrl);
  await admin.ensureEndpoint(keyManager, secureRegion, lab.secureUrl);
  await admin.ensureEndpoint(identity, secureRegion, lab.keystoneUrl);

  const demo = new KeystoneAdmin(lab.keystoneUrl, await login("demo"));
  const roles = [{ name: "creator" }, { name: "member" }];
  const credential = await demo.call("POST", `users/${ids.demo}/application_credentials`, [201], {
    application_credential: { name: "interop", roles },
  });
  const trust = await demo.call("POST", "OS-TRUST/trusts", [201], {
    trust: {
      trustor_user_id: ids.demo,
      trustee_user_id: ids.demo2,
      project_id: projectIds["demo"],
      impersonation: true,
      roles,
    },
  });
  return {
    userIds: ids,
    projectIds,
    applicationCredential: credential["application_credential"] as Seed["applicationCredential"],
    trust: {
      id: (trust["trust"] as { id: string }).id,
      trusteeUser: "demo2",
      trustorUser: "demo",
    },
  };
}
