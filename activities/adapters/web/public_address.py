"""Decides which IP addresses are public, so that tools reach nothing inside a private network."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NOT_PUBLIC = (
    *map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
            "fec0::/10",
            # Addresses that look public but that a cloud serves to its own machines only: Azure's host, IBM Cloud's
            # services, Google Cloud's private and restricted APIs, Equinix Metal's metadata.
            "168.63.129.16/32",
            "161.26.0.0/16",
            "166.8.0.0/14",
            "199.36.153.4/30",
            "199.36.153.8/30",
            "2600:2d00:2:1000::/64",
            "2600:2d00:2:2000::/64",
            "192.80.8.124/32",
        ),
    ),
)
"""The networks that are not public although some Python release takes them for global.

Among them are the IPv6 networks that embed an IPv4 address (NAT64, Teredo, 6to4): the embedded one may be private.
"""


def is_public(address: str) -> bool:
    """Return whether a numeric address is public; False for text that is no address.

    Not public are loopback, private, link-local (clouds' metadata), clouds' own hosts, carrier-grade NAT, multicast and
    reserved addresses. An IPv4-mapped IPv6 address is public if its IPv4 address is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return False
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif int(parsed) >> 32 == 0:  # IPv4-compatible, long deprecated
            return False
    return _is_global(parsed)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC if network.version == address.version)
    )
