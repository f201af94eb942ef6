import { type Caller, keystoneCaller } from "@chatelaine/keys";
import { KeystoneAdmin, passwordToken } from "../barbican/keystone-admin.ts";

/** A user with a role on a project of the same name, in built-in identity. */
export interface Tenant {
  readonly userId: string;
  readonly projectId: string;
  readonly caller: Caller;
  /** The `OS_*` variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** A fresh identity token. */
  token(): Promise<string>;
}

/** Makes users, each with a project of its own, as an operator would: by the Keystone API. */
export async function makeTenants<Name extends string>(
  serverUrl: string,
  adminPassword: string,
  names: readonly Name[],
  role = "member",
): Promise<Record<Name, Tenant>> {
  const authUrl = `${serverUrl}/v3`;
  const login = { username: "admin", password: adminPassword, projectName: "admin" };
  const admin = new KeystoneAdmin(authUrl, await passwordToken(authUrl, login));
  const roles = (await admin.call("GET", `roles?name=${role}`, [200]))["roles"];
  const roleId = (roles as { id: string }[])[0]?.id ?? "";
  const tenants: Partial<Record<Name, Tenant>> = {};
  for (const name of names) {
    const password = `${name}-password-of-a-test`;
    const projectId = await admin.ensure("project", `${name}-project`);
    const userId = await admin.ensure("user", name, { password });
    await admin.grant(projectId, userId, roleId);
    const credentials = { username: name, password, projectName: `${name}-project` };
    tenants[name] = {
      userId,
      projectId,
      caller: keystoneCaller({ authUrl, ...credentials }),
      environment: {
        OS_AUTH_TYPE: "password",
        OS_AUTH_URL: authUrl,
        OS_IDENTITY_API_VERSION: "3",
        OS_USERNAME: name,
        OS_PASSWORD: password,
        OS_USER_DOMAIN_NAME: "Default",
        OS_PROJECT_NAME: credentials.projectName,
        OS_PROJECT_DOMAIN_NAME: "Default",
        OS_REGION_NAME: "RegionOne",
      },
      token: () => passwordToken(authUrl, credentials),
    };
  }
  return tenants as Record<Name, Tenant>;
}
