"""The list of everything that is shipped or fetched, with licences."""

from deploy.supply.licences import licence_of
from deploy.supply.packages import in_production, pins
from deploy.supply.shipped import BUNDLED, built_servers, weights

COLUMNS = ("name", "version", "licence", "use")


def listed() -> list[tuple[str, str, str, str]]:
    """Return a row for each package, program inside a wheel, file of weights and built server."""
    production = in_production()
    return [
        *(
            (pin.name, pin.version, licence_of(pin.name),
             "" if pin.name in production or not pin.is_for_here else "builds and tests only")
            for pin in pins()
        ),
        *((each.name, "", each.licence, f"in the wheel {each.package}") for each in BUNDLED),
        *((each.name, "", each.licence, "weights" if each.shipped else "weights, fetched") for each in weights()),
        *((each.name, each.version, each.licence, "built where it runs") for each in built_servers()),
    ]  # fmt: skip
