import { castellanPackages, libraryPackages, openstackPackages } from "./clients/packages.ts";
import { fileServerPackages } from "./guest/file-server.ts";
import { guestPackages } from "./guest/guest.ts";
import type { PeerName } from "./peers.ts";
import { tempestPackages } from "./tempest/tempest.ts";

/** One file of tests against real peers: `interop/suites/NAME.test.ts`. */
export interface Suite {
  readonly name: string;
  /** What a green run shows, in one line. */
  readonly proves: string;
  /** Debian packages besides those of its peers. */
  readonly packages: readonly string[];
  /** Started once, before the first suite that needs them. */
  readonly peers: readonly PeerName[];
  /** Slow, and stable for long: it runs only when it is named, as `.ci/nightly` does. */
  readonly nightly?: true;
}

/**
 * All suites, in the order in which they run. The longest that needs no peers is first, so that both lanes end at about
 * the same time. To add one: a line here and its file.
 */
export const suites: readonly Suite[] = [
  {
    name: "fresh-debian",
    proves:
      "npm start and npm test are a clone's first commands on a Debian that has only Node.js 20 and npm",
    packages: ["debootstrap", "git"],
    peers: [],
  },
  {
    name: "lab",
    proves:
      "the real Keystone and Barbican are up, with both policies, and real clients work on them",
    packages: [...openstackPackages, ...castellanPackages],
    peers: ["barbican"],
  },
  {
    name: "keys",
    proves:
      "our Barbican adapter keeps a key manager's promises on the real Barbican, both policies",
    packages: [],
    peers: ["barbican"],
  },
  {
    name: "barbican-client",
    proves: "each call of our REST client does on the real Barbican what its contract says",
    packages: [],
    peers: ["barbican"],
  },
  {
    name: "identity",
    proves: "the server's Keystone mode keeps an identity's promises on the real Keystone",
    packages: [],
    peers: ["barbican"],
  },
  {
    name: "clients",
    proves:
      "openstack, Castellan, gophercloud, fog, openstacksdk, Octavia, Heat and Swift work on our server, own identity and Keystone's",
    packages: [...openstackPackages, ...castellanPackages, ...libraryPackages],
    peers: ["barbican"],
  },
  {
    name: "identity-builtin",
    proves:
      "openstack and our adapter log in, and keep users, on our server with its own identity and nothing else",
    packages: [...openstackPackages],
    peers: [],
  },
  {
    name: "credentials",
    proves: "passwords, tokens, application credentials, trusts, service tokens, clouds.yaml, OS_*",
    packages: [],
    peers: ["barbican"],
  },
  {
    name: "barbican-faults",
    proves:
      "no lost reply, outage or nonsense between us and the real Barbican leaves a key or order behind",
    packages: [...openstackPackages],
    peers: ["barbican"],
    nightly: true,
  },
  {
    name: "luks",
    proves: "cryptsetup and qemu-img open every LUKS disk that we write, and we open theirs",
    packages: ["cryptsetup-bin", "e2fsprogs", "mount", "qemu-utils", "strace"],
    peers: [],
  },
  {
    name: "luks-foreign",
    proves:
      "cryptsetup and we say the same of hundreds of LUKS headers, valid and invalid, but for a list with reasons",
    packages: [...guestPackages, "cryptsetup-bin"],
    peers: [],
  },
  {
    name: "kernel",
    proves: "the kernel's dm-crypt mounts what we encrypt, and we decrypt what it writes",
    packages: [...guestPackages, "cryptsetup-bin", "dmsetup", "e2fsprogs", "lvm2", "mount"],
    peers: [],
  },
  {
    name: "kernel-kills",
    proves:
      "volumes on a logical volume survive a kill in the middle of operations that kernel-data does not kill",
    packages: [...guestPackages, "lvm2"],
    peers: [],
    nightly: true,
  },
  {
    name: "kernel-data",
    proves:
      "on a real kernel open volumes are encrypted anew and grow under a file system, past kills and a full disk",
    packages: [...guestPackages, "cryptsetup-bin", "dmsetup", "e2fsprogs", "lvm2", "mount"],
    peers: [],
  },
  {
    name: "kernel-headers",
    proves:
      "on a real kernel, a forged LUKS header neither opens nor shows another disk of the host",
    packages: [...guestPackages, "cryptsetup-bin", "dmsetup", "lvm2"],
    peers: [],
  },
  {
    name: "kernel-disks",
    proves:
      "ephemeral LVM disks with keys of their own on a real kernel; one device under several names; volumes on vfat; no old or detached header makes us overwrite a disk; nothing waits for storage that does not answer",
    packages: [
      ...guestPackages,
      ...fileServerPackages,
      "cryptsetup-bin",
      "dmsetup",
      "dosfstools",
      "e2fsprogs",
      "fdisk",
      "lvm2",
      "systemd",
      "thin-provisioning-tools",
    ],
    peers: [],
  },
  {
    name: "kernel-in-use",
    proves:
      "on a real kernel, a disk that is mounted, mapped, swapped to, in LVM or RAID, or open elsewhere is not changed",
    packages: [
      ...guestPackages,
      "cryptsetup-bin",
      "dmsetup",
      "e2fsprogs",
      "lvm2",
      "mount",
      "qemu-utils",
    ],
    peers: [],
  },
  {
    name: "volumes",
    proves:
      "volumes with keys of the real Barbican open in cryptsetup, and an interrupted creation is undone",
    packages: ["cryptsetup-bin"],
    peers: ["barbican"],
  },
  {
    name: "volumes-kills",
    proves: "volumes survive at least 300 kills, before and after calls, writes and syncs",
    packages: [],
    peers: [],
    nightly: true,
  },
  {
    name: "volumes-faults",
    proves:
      "no failing key server, full disk or competing process leaks a volume's key or loses a volume",
    packages: [],
    peers: [],
  },
  {
    name: "ledger",
    proves:
      "the ledger keeps its promises on PostgreSQL, past kills, a lost connection and a database that goes away",
    packages: [],
    peers: ["postgres"],
    nightly: true,
  },
  {
    name: "qemu",
    proves:
      "a real QEMU reads a volume with the arguments we print; an NBD socket and FUSE show it without dm-crypt",
    packages: ["fuse3", "qemu-system-common", "qemu-system-x86", "qemu-utils"],
    peers: [],
  },
  {
    name: "libvirt",
    proves:
      "libvirt boots a guest from an encrypted volume with our XML and a secret that it keeps in memory alone",
    packages: [
      "libvirt-clients",
      "libvirt-daemon",
      "libvirt-daemon-driver-qemu",
      "qemu-system-x86",
    ],
    peers: [],
  },
  {
    name: "command",
    proves:
      "the chatelaine command makes disks with keys of the real Barbican, which cryptsetup opens",
    packages: [...openstackPackages, "cryptsetup-bin"],
    peers: ["barbican"],
  },
  {
    name: "migrate",
    proves:
      "1,000 objects of all types go from the real Barbican to our server and back, past four kills",
    packages: [],
    peers: ["barbican"],
    nightly: true,
  },
  {
    name: "readme",
    proves: "the README's program and session go as it says, on the real Barbican",
    packages: [],
    peers: ["barbican"],
  },
  {
    name: "postgres",
    proves:
      "the key server's own tests pass on PostgreSQL, and a database that goes away comes back",
    packages: [],
    peers: ["postgres"],
  },
  {
    name: "server-faults",
    proves:
      "a key server whose disk is full says 503, loses nothing, and goes on when there is room",
    packages: ["mount"],
    peers: [],
  },
  {
    name: "nodes",
    proves:
      "a killed node of three on one PostgreSQL loses no acknowledged secret or order, and no request that is retried",
    packages: [],
    peers: ["postgres"],
  },
  {
    name: "proxy-cache",
    proves: "an nginx that caches hands nothing of our server to a request without a token",
    packages: ["nginx-light"],
    peers: [],
  },
  {
    name: "server-keys",
    proves:
      "our adapter keeps a key manager's promises on our server: SQLite, PostgreSQL, own identity, Keystone",
    packages: [],
    peers: ["barbican", "postgres"],
  },
  {
    name: "tempest",
    proves:
      "the whole barbican-tempest-plugin passes on our server with the real Keystone, as on Barbican",
    packages: [...tempestPackages],
    peers: ["barbican"],
    nightly: true,
  },
  {
    name: "packages",
    proves:
      "the packages install from their tarballs and work; Dockerfile, systemd units and manifest hold",
    packages: ["fish", "systemd", "zsh"],
    peers: [],
  },
  {
    name: "first-start",
    proves:
      "npm start says what stands in its way, and finds everything again after Ctrl-C or a kill at each step",
    packages: ["git", "mount"],
    peers: [],
  },
  {
    name: "api-reference",
    proves:
      "the API reference can be generated: each export, and each type that it names, has a comment",
    packages: [],
    peers: [],
  },
  {
    name: "guest",
    proves:
      "a real kernel with dm-crypt, LVM and loop runs our programs and keeps disks across reboots",
    packages: [...guestPackages, "cryptsetup-bin", "lvm2", "thin-provisioning-tools"],
    peers: [],
  },
];
