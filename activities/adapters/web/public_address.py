"""Which internet addresses are public: what nobody but the whole world shares."""

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
            # What clouds answer at to their own machines alone, although the addresses look like anybody's: Azure's
            # host, IBM Cloud's services, Google Cloud's private and restricted APIs, Equinix Metal's metadata.
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
"""What Python's own tables of one release or another take for global.

Among them are the IPv6 networks that carry an IPv4 address inside (NAT64, Teredo, 6to4): behind each may be any other.
"""


def is_public(address: str) -> bool:
    """Whether a numeric address is a public one.

    Loopback, private, link-local (where clouds keep their metadata), clouds' own hosts, carrier-grade NAT, multicast
    and reserved ones are not, and an IPv6 address that stands for an IPv4 one is as public as that. What is no address
    is not public.
    """
    try:
        read = ip_address(address)
    except ValueError:
        return False
    if isinstance(read, IPv6Address):
        if read.scope_id is not None:
            return False
        if read.ipv4_mapped is not None:
            read = read.ipv4_mapped
        elif int(read) >> 32 == 0:  # IPv4-compatible, long deprecated
            return False
    return _global(read)


def _global(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC if network.version == address.version)
    )
