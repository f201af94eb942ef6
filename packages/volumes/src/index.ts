export { type BackedUpHeader, backupVolumeHeaders } from "./bulk/backup-volume-headers.ts";
export {
  type BulkOptions,
  type BulkResult,
  type Outcome,
  type VolumesOptions,
} from "./bulk/each-volume.ts";
export { type ImportLedgerOptions, importLedger } from "./bulk/import-ledger.ts";
export { type ReencryptVolumesOptions, reencryptVolumes } from "./bulk/reencrypt-volumes.ts";
export { migrateDisksOffFixedKey, rekeyVolumes } from "./bulk/rekey-volumes.ts";
export { verifyVolumes } from "./bulk/verify-volumes.ts";
export { volumeFilter } from "./bulk/volume-filter.ts";
export type { Recovered } from "./engine/recover.ts";
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
} from "./ephemeral-disk/ephemeral-disk.ts";
export type { LogicalVolume } from "./host/logical-volume.ts";
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
export { VolumeError, type VolumeErrorCode } from "./model/errors.ts";
export type { LayoutChange, VolumeLayout } from "./model/layout.ts";
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
} from "./model/ledger.ts";
export type { KeySource, Volume } from "./model/volume.ts";
export {
  projectOf,
  type StepEvent,
  type VolumeContext,
  type VolumeProgress,
} from "./model/volume-context.ts";
export type { DiskFormat } from "./operations/disk-mapping.ts";
export { recover } from "./operations/registry.ts";
export {
  giveLibvirtSecret,
  type LibvirtDisk,
  type LibvirtDiskOptions,
  type LibvirtOptions,
  libvirtDisk,
  takeLibvirtSecret,
} from "./present/libvirt.ts";
export { closeVolume, type OpenedVolume, openVolume } from "./present/open-volume.ts";
export { type OpenResult, openVolumes } from "./present/open-volumes.ts";
export { type QemuDisk, type QemuDiskOptions, qemuDisk } from "./present/qemu.ts";
export { type ServedVolume, type ServeVolumeOptions, serveVolume } from "./present/serve-volume.ts";
export { withVolumeData } from "./present/with-volume-data.ts";
export {
  type Finding,
  type FindingType,
  type ReconcileOptions,
  reconcile,
} from "./reconcile/reconcile.ts";
export type { TrustOptions, VolumeSource } from "./record/trusted-volume.ts";
export {
  type AcceptedHeader,
  type AcceptHeaderOptions,
  acceptVolumeHeader,
} from "./volume/accept-header.ts";
export { type CloneVolumeOptions, cloneVolume } from "./volume/clone-volume.ts";
export { type CreateVolumeOptions, createVolume } from "./volume/create-volume.ts";
export { type DecryptVolumeOptions, decryptVolume } from "./volume/decrypt-volume.ts";
export {
  type DeletedVolume,
  type DeleteVolumeOptions,
  type DeletionPreview,
  deleteVolume,
  previewDeletion,
} from "./volume/delete-volume.ts";
export {
  type EncryptionPreview,
  type EncryptVolumeOptions,
  encryptVolume,
  previewEncryption,
} from "./volume/encrypt-volume.ts";
export { findLostVolume, forgetVolume, type LostVolume } from "./volume/forget-volume.ts";
export { importVolume } from "./volume/import-volume.ts";
export { inspectVolume } from "./volume/inspect-volume.ts";
export { type AdoptionPreview, previewAdoption } from "./volume/preview.ts";
export {
  previewReencryption,
  type ReencryptedVolume,
  type ReencryptionPreview,
  type ReencryptVolumeOptions,
  reencryptVolume,
} from "./volume/reencrypt-volume.ts";
export {
  adoptVolume,
  migrateOffFixedKey,
  type Opener,
  type RekeyedVolume,
  type RekeyVolumeOptions,
  rekeyVolume,
  transferVolume,
} from "./volume/rekey-volume.ts";
export {
  type ResizedVolume,
  type ResizeVolumeOptions,
  resizeVolume,
} from "./volume/resize-volume.ts";
export { findSnapshot, forgetSnapshot, snapshotVolume } from "./volume/snapshot-volume.ts";
export { type VerifiedVolume, verifyVolume } from "./volume/verify-volume.ts";
export {
  backupVolumeHeader,
  type HeaderRestorePreview,
  previewHeaderRestore,
  restoreVolumeHeader,
} from "./volume/volume-header.ts";
