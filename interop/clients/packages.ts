/** The real `openstack` command with its key manager commands. */
export const openstackPackages = ["python3-openstackclient", "python3-barbicanclient"] as const;

/** The real Castellan, OpenStack's key manager library. */
export const castellanPackages = ["python3-castellan", "python3-barbicanclient"] as const;
