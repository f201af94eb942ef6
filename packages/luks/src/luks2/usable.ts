import { LuksError } from "../errors.ts";
import { shownText } from "../texts/plain-texts.ts";
import type { Luks2Header } from "./load.ts";
import { reencryptionUnderWay } from "./reencryption.ts";
import { selfEncrypting } from "./self-encrypting.ts";

/**
 * Refuses a header in a state that we would damage or misread: a re-encryption under way, a
 * drive that encrypts by itself, or a requirement that we do not know (LUKS2 On-Disk Format, section 3.1.1).
 *
 * @throws `in_reencryption`, `unsupported`
 */
export function requireUsable(operation: string, name: string, header: Luks2Header): void {
  requireNoReencryption(operation, name, header);
  const requirements = header.metadata.config.requirements?.mandatory ?? [];
  const byDrive = selfEncrypting(name, header);
  if (byDrive !== undefined) {
    throw new LuksError("unsupported", `${operation} ${name}: ${byDrive}`);
  }
  if (requirements.length > 0) {
    throw new LuksError(
      "unsupported",
      `${operation} ${name}: unknown requirement ${shownText(requirements.join(", "))}`,
    );
  }
}

/**
 * Refuses a disk that a tool re-encrypts: its data need what its header says now.
 *
 * @throws `in_reencryption`
 */
export function requireNoReencryption(operation: string, name: string, header: Luks2Header): void {
  const underWay = reencryptionUnderWay(name, header);
  if (underWay === undefined) return;
  throw new LuksError("in_reencryption", `${operation} ${name}: ${underWay}`);
}
