export { type CreateVolumeOptions, createVolume } from "./create-volume.ts";
export { type DeletedVolume, deleteVolume } from "./delete-volume.ts";
export { VolumeError, type VolumeErrorCode } from "./errors.ts";
export { inspectVolume } from "./inspect-volume.ts";
export { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";
export type { KeySource, Volume } from "./volume.ts";
