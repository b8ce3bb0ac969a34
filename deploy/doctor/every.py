"""Every check, in the order of the report."""

from activities.settings import Settings
from deploy.doctor.files import DIGESTS, KEYS, MODES, SECRETS
from deploy.doctor.finding import Check
from deploy.doctor.host import DISK, VERSIONS
from deploy.doctor.servers import DATABASE, REDIS, STORE, models
from deploy.doctor.temporal import TEMPORAL


def checks(settings: Settings) -> list[Check]:
    """Return every check, in the order of the report."""
    servers = [TEMPORAL, DATABASE, *REDIS, STORE, *models(settings)]
    return [*servers, VERSIONS, DISK, KEYS, SECRETS, MODES, DIGESTS]
