/**
 * The lab at the keyboard:
 *
 *     node interop/barbican/main.ts up          start it, and leave it up
 *     eval "$(node interop/barbican/main.ts env demo)"
 *     node interop/barbican/main.ts down        stop it (`purge`: and delete its state)
 */
import {
  keepBarbicanLab,
  type LabUserName,
  labUserNames,
  type PolicyMode,
  startBarbicanLab,
  stopKeptBarbicanLab,
} from "./lab.ts";

const [command = "", user = "demo", mode = "legacy"] = process.argv.slice(2);

switch (command) {
  case "up": {
    const lab = await startBarbicanLab();
    keepBarbicanLab();
    await lab.stop();
    console.log(`keystone ${lab.keystoneUrl}`);
    console.log(`barbican ${lab.legacyUrl} (legacy policy, ${lab.regions.legacy})`);
    console.log(`barbican ${lab.secureUrl} (secure policy, ${lab.regions.secure})`);
    console.log(`users    ${labUserNames.join(" ")}`);
    break;
  }
  case "env": {
    if (!isUser(user) || !isMode(mode)) {
      throw new Error(`env: users are ${labUserNames.join(" ")}; modes are legacy and secure`);
    }
    keepBarbicanLab();
    const lab = await startBarbicanLab();
    for (const [name, value] of Object.entries(lab.environment(user, mode))) {
      console.log(`export ${name}='${value}'`);
    }
    await lab.stop();
    break;
  }
  case "down":
  case "purge":
    await stopKeptBarbicanLab({ purge: command === "purge" });
    break;
  default:
    console.error(
      "usage: node interop/barbican/main.ts up | env [USER [legacy|secure]] | down | purge",
    );
    process.exitCode = 2;
}

function isUser(name: string): name is LabUserName {
  return labUserNames.some((known) => known === name);
}

function isMode(name: string): name is PolicyMode {
  return name === "legacy" || name === "secure";
}
