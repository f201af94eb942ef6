export { backupHeader, type RestoreHeaderOptions, restoreHeader } from "./backup.ts";
export { unrecognisedData } from "./blank-check.ts";
export {
  type ChatelaineToken,
  chatelaineToken,
  chatelaineTokenType,
  parseChatelaineToken,
} from "./chatelaine-token.ts";
export {
  type CheckedDigest,
  type CheckedHeader,
  type CheckedSegment,
  type IntegrityType,
  integrityKeyBits,
  type MappingFlag,
} from "./checked/checked-header.ts";
export { provesVolumeKey } from "./checked/proves.ts";
export { parseUuid, type Uuid } from "./checked/uuid.ts";
export {
  type CipherRow,
  type EssivGenerator,
  type IvGenerator,
  type SegmentCipher,
  segmentCipher,
  segmentCiphers,
} from "./cipher/cipher-table.ts";
export type { SectorCipher } from "./cipher/sector-cipher.ts";
export type { BlockDevice, DeviceReference } from "./device.ts";
export { describeDiskUse, diskMappings, diskUse } from "./disk-use.ts";
export { LuksError, type LuksErrorCode } from "./errors.ts";
export { foreignContent } from "./foreign-signature.ts";
export type { Formatted } from "./format-common.ts";
export type { HashName } from "./hashes.ts";
export type {
  CopyState,
  DigestInfo,
  KeyslotInfo,
  LuksHeader,
  SegmentInfo,
  TokenEntry,
} from "./header.ts";
export {
  type ConvertImageOptions,
  convertImage,
  type DecryptImageOptions,
  decryptImage,
} from "./image/decrypt.ts";
export { type EncryptImageOptions, encryptImage } from "./image/encrypt.ts";
export type { ImageState } from "./image/journal.ts";
export type { HeaderLoss } from "./image/losses.ts";
export type { ImageFormat, NotForImages } from "./image/new-header.ts";
export type { ImageProgress, ImageRunOptions } from "./image/progress.ts";
export { type ReencryptImageOptions, reencryptImage } from "./image/reencrypt.ts";
export {
  forgetImage,
  type InterruptedOperation,
  interruptedOperation,
  type ResumeImageOptions,
  resumeImage,
} from "./image/resume.ts";
export { type AnsweringOptions, silentAmong } from "./in-use/answering.ts";
export type { DiskUse, DiskUseOptions, DiskUser, MappingUser } from "./in-use/disk-use.ts";
export type { DiskIdentity } from "./in-use/identity.ts";
export { identitiesAt } from "./in-use/identity-at.ts";
export type { KernelUser } from "./in-use/kernel-users.ts";
export type { ProcessUser } from "./in-use/open-files.ts";
export { requireAnswering } from "./in-use/suspended.ts";
export {
  type KdfLimits,
  type KdfSpec,
  minimalKdf,
  passphraseKdf,
  passphraseKdfLuks1,
} from "./kdf.ts";
export { type KeyslotPriority, type KeyslotSpec, maxPassphraseBytes } from "./keyslot-spec.ts";
export {
  type AddKeyslotOptions,
  addKeyslot,
  type ChangePassphraseOptions,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "./keyslots.ts";
export { dataSize, type Layout, layoutOf, requireAttached } from "./layout.ts";
export type { JsonValue, LuksToken } from "./luks-token.ts";
export { type FormatLuks1Options, formatLuks1 } from "./luks1/format.ts";
export { type FormatLuks2Options, formatLuks2 } from "./luks2/format.ts";
export { type Relabel, type RepairHeaderOptions, relabel, repairHeader } from "./maintain.ts";
export { OpenDisk, type WithOpenDiskOptions, withOpenDisk } from "./open-disk.ts";
export { type PrivateHeader, privateHeader } from "./private-header.ts";
export { checkHeader, readLuks } from "./read.ts";
export { addToken, listTokens, removeToken } from "./tokens.ts";
export { testPassphrase, type Unlocked, type UnlockOptions, unlock } from "./unlock.ts";
export { VolumeKey } from "./volume-key.ts";
