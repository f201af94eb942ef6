import { randomBytes, randomUUID } from "node:crypto";
import { type Caller, keystoneCaller } from "@chatelaine/keys";
import { passwordToken } from "./keystone-admin.ts";
import type { BarbicanLab, PolicyMode } from "./lab.ts";

/** A project with one user, of which nobody else knows: what is in it, the suite that made it has put there. */
export interface Tenant {
  readonly projectId: string;
  readonly userId: string;
  readonly caller: Caller;
  /** A fresh identity token. */
  token(): Promise<string>;
  /** The `OS_*` variables. */
  environment(mode?: PolicyMode): Record<string, string>;
  /** Removes project and user; what they have in Barbican stays. */
  remove(): Promise<void>;
}

/**
 * Makes a project and its user, who may do what a member may under either policy.
 *
 * Suites that count objects use one, because the lab's own projects serve several programs at a time.
 */
export async function makeTenant(lab: BarbicanLab): Promise<Tenant> {
  const name = `interop-${randomUUID()}`;
  const password = randomBytes(12).toString("hex");
  const admin = await lab.admin();
  const projectId = await admin.ensure("project", name, { domain_id: "default" });
  const userId = await admin.ensure("user", name, { domain_id: "default", password });
  for (const role of ["member", "creator", "reader"]) {
    await admin.grant(projectId, userId, await admin.ensure("role", role));
  }
  const { keystoneUrl } = lab;
  return {
    projectId,
    userId,
    caller: keystoneCaller({
      authUrl: keystoneUrl,
      username: name,
      password,
      projectName: name,
    }),
    token: () => passwordToken(keystoneUrl, { username: name, password, projectName: name }),
    environment: (mode) => ({
      ...lab.environment("demo", mode),
      OS_USERNAME: name,
      OS_PASSWORD: password,
      OS_PROJECT_NAME: name,
    }),
    remove: async () => {
      await admin.call("DELETE", `users/${userId}`, [204]);
      await admin.call("DELETE", `projects/${projectId}`, [204]);
    },
  };
}
