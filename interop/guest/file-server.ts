import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** Debian package with the server. */
export const fileServerPackages = ["nfs-kernel-server"] as const;

/** An NFS server of the guest itself, over the loopback interface. */
export class FileServer {
  readonly #exported: string;

  /** @param exported folder, made anew; what is in it is the server's */
  constructor(exported: string) {
    this.#exported = exported;
    mkdirSync(exported, { recursive: true });
    const script = `
      set -e
      for module in nfsd nfs nfsv4; do modprobe "$module"; done
      mount -t nfsd nfsd /proc/fs/nfsd
      mkdir -p /var/lib/nfs/v4recovery
      touch /var/lib/nfs/etab /var/lib/nfs/rmtab
      # No client can have files open from before.
      echo 10 >/proc/fs/nfsd/nfsv4leasetime
      echo 10 >/proc/fs/nfsd/nfsv4gracetime
      exportfs -o rw,no_root_squash,no_subtree_check,insecure,fsid=0 127.0.0.1:${exported}
      rpc.mountd --no-nfs-version 3
      rpc.nfsd --no-udp --no-nfs-version 3 2
      echo Y >/proc/fs/nfsd/v4_end_grace || true`;
    execFileSync("bash", ["-c", script]);
  }

  /** @param options of mount(8), such as `soft` */
  mount(folder: string, options: string): void {
    mkdirSync(folder, { recursive: true });
    execFileSync("mount", ["-t", "nfs4", "-o", options, "127.0.0.1:/", folder]);
  }

  /** No packet reaches it. */
  goAway(): void {
    execFileSync("ip", ["link", "set", "lo", "down"]);
  }

  comeBack(): void {
    execFileSync("ip", ["link", "set", "lo", "up"]);
  }

  end(): void {
    execFileSync("bash", ["-c", `rpc.nfsd 0; exportfs -u 127.0.0.1:${this.#exported}`]);
    execFileSync("bash", ["-c", "umount /proc/fs/nfsd; kill $(pidof rpc.mountd)"]);
  }
}
