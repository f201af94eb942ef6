import { type Caller, keystoneCaller } from "@chatelaine/keys";
import type { BarbicanLab, LabUserName } from "./lab.ts";

/** A user of the lab as our adapter's caller, with his password. @param projectName default: the user's own project */
export function labCaller(lab: BarbicanLab, user: LabUserName, projectName?: string): Caller {
  const { username, password, projectName: own } = lab.users[user];
  return keystoneCaller({
    authUrl: lab.keystoneUrl,
    username,
    password,
    projectName: projectName ?? own,
  });
}
