export {
  type CipherRow,
  type EssivGenerator,
  type IvGenerator,
  type SegmentCipher,
  segmentCipher,
  segmentCiphers,
} from "./crypto/cipher-table.ts";
export type { HashName } from "./crypto/hashes.ts";
export {
  type KdfLimits,
  type KdfSpec,
  minimalKdf,
  passphraseKdf,
  passphraseKdfLuks1,
} from "./crypto/kdf.ts";
export type { SectorCipher } from "./crypto/sector-cipher.ts";
export { VolumeKey } from "./crypto/volume-key.ts";
export { OpenDisk, type WithOpenDiskOptions, withOpenDisk } from "./data/open-disk.ts";
export { type PrivateHeader, privateHeader } from "./data/private-header.ts";
export { unrecognisedData } from "./device/blank-check.ts";
export type { BlockDevice, DeviceReference } from "./device/device.ts";
export { describeDiskUse, diskMappings, diskUse } from "./device/disk-use.ts";
export { foreignContent } from "./device/foreign-signature.ts";
export { LuksError, type LuksErrorCode } from "./errors.ts";
export {
  type ChatelaineToken,
  chatelaineToken,
  chatelaineTokenType,
  parseChatelaineToken,
} from "./format/chatelaine-token.ts";
export {
  type CheckedDigest,
  type CheckedHeader,
  type CheckedSegment,
  type IntegrityType,
  integrityKeyBits,
  type MappingFlag,
} from "./format/checked-header.ts";
export type { Formatted } from "./format/format-common.ts";
export type {
  CopyState,
  DigestInfo,
  KeyslotInfo,
  LuksHeader,
  SegmentInfo,
  TokenEntry,
} from "./format/header.ts";
export {
  type KeyslotPriority,
  type KeyslotSpec,
  maxPassphraseBytes,
} from "./format/keyslot-spec.ts";
export { dataSize, type Layout, layoutOf, requireAttached } from "./format/layout.ts";
export type { JsonValue, LuksToken } from "./format/luks-token.ts";
export { provesVolumeKey } from "./format/proves-volume-key.ts";
export { backupHeader, type RestoreHeaderOptions, restoreHeader } from "./header/backup.ts";
export {
  type FinishReencryptionOptions,
  finishReencryption,
  isReencryptionDone,
} from "./header/finish-reencryption.ts";
export {
  type AddKeyslotOptions,
  addKeyslot,
  type ChangePassphraseOptions,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "./header/keyslots.ts";
export {
  type Relabel,
  type RepairHeaderOptions,
  relabel,
  repairHeader,
} from "./header/maintain.ts";
export { checkHeader, readLuks } from "./header/read.ts";
export { addToken, listTokens, removeToken } from "./header/tokens.ts";
export { testPassphrase, type Unlocked, type UnlockOptions, unlock } from "./header/unlock.ts";
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
export { type FormatLuks1Options, formatLuks1 } from "./luks1/format.ts";
export { type FormatLuks2Options, formatLuks2 } from "./luks2/format.ts";
export { parseUuid, type Uuid } from "./texts/uuid.ts";
