import { join } from "node:path";
import {
  createVolume,
  decryptVolume,
  deleteVolume,
  encryptVolume,
  reencryptVolume,
  rekeyVolume,
  type VolumeContext,
} from "../../src/index.ts";

/** What can be killed while it works on a logical volume. */
export interface DeviceScenario {
  readonly name: string;
  /** What must be there before: nothing but zeroes, plain data, or a volume. */
  readonly before: "zeroes" | "plain" | "volume";
  /** What is there if it was not taken back. */
  readonly after: DeviceScenario["before"];
  act(context: VolumeContext, directory: string): Promise<unknown>;
}

/** Without data at its beginning, for volumes that are made and deleted. */
export const blankDevice = "/dev/vg/blank";
/** With data, and free at its end. */
export const dataDevice = "/dev/vg/data";

const journalIn = (directory: string) => ({ journal: join(directory, "journal") });

export const deviceScenarios: readonly DeviceScenario[] = [
  {
    name: "create on a device",
    before: "zeroes",
    after: "volume",
    act: (context) => createVolume(context, { path: blankDevice }),
  },
  {
    name: "delete on a device",
    before: "volume",
    after: "zeroes",
    act: (context) => deleteVolume(context, blankDevice),
  },
  {
    name: "encrypt a device in place",
    before: "plain",
    after: "volume",
    act: (context, directory) => encryptVolume(context, dataDevice, journalIn(directory)),
  },
  {
    name: "rekey a device",
    before: "volume",
    after: "volume",
    act: (context) => rekeyVolume(context, dataDevice),
  },
  {
    name: "re-encrypt a device",
    before: "volume",
    after: "volume",
    act: (context, directory) => reencryptVolume(context, dataDevice, journalIn(directory)),
  },
  {
    name: "decrypt a device in place",
    before: "volume",
    after: "plain",
    act: (context, directory) => decryptVolume(context, dataDevice, journalIn(directory)),
  },
];
