/** The real `openstack` command with its key manager commands. */
export const openstackPackages = ["python3-openstackclient", "python3-barbicanclient"] as const;

/** The real Castellan, OpenStack's key manager library. */
export const castellanPackages = ["python3-castellan", "python3-barbicanclient"] as const;

/** Libraries in other languages, and services of OpenStack whose code uses a key manager. */
export const libraryPackages = [
  "golang-go",
  "golang-github-gophercloud-gophercloud-dev",
  "python3-heat",
  "python3-octavia",
  "python3-openstacksdk",
  "python3-swift",
  "ruby-fog-openstack",
] as const;
