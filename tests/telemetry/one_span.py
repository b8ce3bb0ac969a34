"""A process that records one span and one event as a worker does, and ends."""

import structlog
from opentelemetry import trace

from activities.adapters.telemetry import log_events, record_spans
from activities.settings import load


def main() -> None:
    settings = load()
    log_events(settings.telemetry.log_level)
    record_spans(settings)
    with trace.get_tracer("test").start_as_current_span("one span"):
        structlog.get_logger().info("something_happened", count=1)
        structlog.get_logger().debug("something_small")
        try:
            fail("the words of a prompt")
        except ValueError:
            structlog.get_logger().exception("something_failed")


def fail(prompt: str) -> None:
    raise ValueError(len(prompt))


if __name__ == "__main__":
    main()
