import type { BarbicanLab } from "../barbican/lab.ts";
import type { ServerSettings } from "./key-server.ts";

/** Settings with which our server asks the lab's Keystone who a caller is, as the service user `barbican`. */
export function keystoneMode(lab: BarbicanLab): ServerSettings {
  const { username, password, projectName } = lab.users.barbican;
  return {
    identity: { mode: "keystone" },
    keystone: { authUrl: lab.keystoneUrl, username, password, projectName },
  };
}
