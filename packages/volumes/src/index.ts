export {
  type AcceptedHeader,
  type AcceptHeaderOptions,
  acceptVolumeHeader,
} from "./accept-header.ts";
export { type BackedUpHeader, backupVolumeHeaders } from "./backup-volume-headers.ts";
export { type CloneVolumeOptions, cloneVolume } from "./clone-volume.ts";
export { type CreateVolumeOptions, createVolume } from "./create-volume.ts";
export { type DecryptVolumeOptions, decryptVolume } from "./decrypt-volume.ts";
export {
  type DeletedVolume,
  type DeleteVolumeOptions,
  type DeletionPreview,
  deleteVolume,
  previewDeletion,
} from "./delete-volume.ts";
export {
  type BulkOptions,
  type BulkResult,
  type Outcome,
  type VolumesOptions,
} from "./each-volume.ts";
export {
  type EncryptionPreview,
  type EncryptVolumeOptions,
  encryptVolume,
  previewEncryption,
} from "./encrypt-volume.ts";
export {
  type CreateDiskOptions,
  closeDisk,
  createDisk,
  type Disk,
  destroyDisk,
  findDisk,
  type OpenDiskOptions,
  openDisk,
  type ResizedDisk,
  type RestoredDisk,
  resizeDisk,
  restoreDisks,
  type SnapshotDiskOptions,
  snapshotDisk,
} from "./ephemeral-disk.ts";
export { VolumeError, type VolumeErrorCode } from "./errors.ts";
export { findLostVolume, forgetVolume, type LostVolume } from "./forget-volume.ts";
export type { LogicalVolume } from "./host/logical-volume.ts";
export { type ImportLedgerOptions, importLedger } from "./import-ledger.ts";
export { importVolume } from "./import-volume.ts";
export { inspectVolume } from "./inspect-volume.ts";
export type { LayoutChange, VolumeLayout } from "./layout.ts";
export type {
  Ledger,
  Lock,
  OperationPhase,
  OperationRecord,
  VolumeChange,
  VolumeFilter,
  VolumeFormat,
  VolumeKind,
  VolumeRecord,
} from "./ledger/ledger.ts";
export {
  type PostgresEndpoint,
  refuseInsecureConnection,
} from "./ledger/postgres/connection-security.ts";
export {
  openPostgresLedger,
  type PostgresLedgerOptions,
} from "./ledger/postgres/postgres-ledger.ts";
export type {
  PostgresConnection,
  PostgresPool,
  PostgresResult,
} from "./ledger/postgres/postgres-pool.ts";
export { openLedger, type SqliteLedgerOptions } from "./ledger/sqlite-ledger.ts";
export {
  giveLibvirtSecret,
  type LibvirtDisk,
  type LibvirtDiskOptions,
  type LibvirtOptions,
  libvirtDisk,
  takeLibvirtSecret,
} from "./libvirt.ts";
export { closeVolume, type OpenedVolume, openVolume } from "./open-volume.ts";
export { type OpenResult, openVolumes } from "./open-volumes.ts";
export type { DiskFormat } from "./operations/disk-mapping.ts";
export type { Recovered } from "./operations/recover.ts";
export { recover } from "./operations/registry.ts";
export { type AdoptionPreview, previewAdoption } from "./preview.ts";
export { type QemuDisk, type QemuDiskOptions, qemuDisk } from "./qemu.ts";
export { type Finding, type FindingType, type ReconcileOptions, reconcile } from "./reconcile.ts";
export {
  previewReencryption,
  type ReencryptedVolume,
  type ReencryptionPreview,
  type ReencryptVolumeOptions,
  reencryptVolume,
} from "./reencrypt-volume.ts";
export { type ReencryptVolumesOptions, reencryptVolumes } from "./reencrypt-volumes.ts";
export {
  adoptVolume,
  migrateOffFixedKey,
  type Opener,
  type RekeyedVolume,
  type RekeyVolumeOptions,
  rekeyVolume,
  transferVolume,
} from "./rekey-volume.ts";
export { migrateDisksOffFixedKey, rekeyVolumes } from "./rekey-volumes.ts";
export { type ResizedVolume, type ResizeVolumeOptions, resizeVolume } from "./resize-volume.ts";
export { type ServedVolume, type ServeVolumeOptions, serveVolume } from "./serve-volume.ts";
export { findSnapshot, forgetSnapshot, snapshotVolume } from "./snapshot-volume.ts";
export type { TrustOptions, VolumeSource } from "./trusted-volume.ts";
export { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";
export { verifyVolumes } from "./verify-volumes.ts";
export type { KeySource, Volume } from "./volume.ts";
export {
  projectOf,
  type StepEvent,
  type VolumeContext,
  type VolumeProgress,
} from "./volume-context.ts";
export { volumeFilter } from "./volume-filter.ts";
export {
  backupVolumeHeader,
  type HeaderRestorePreview,
  previewHeaderRestore,
  restoreVolumeHeader,
} from "./volume-header.ts";
export { withVolumeData } from "./with-volume-data.ts";
