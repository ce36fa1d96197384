"""The numbers of the console, for Prometheus: produced, consumed, confirmed and connected.

They say whether a consumer keeps up (S48: 确认量 <= 推送量 <= 消息总量 且相互相差不大 意味着即时消费且确认). More
produced than consumed is a backlog, and more consumed than confirmed means that messages come again (S49).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tmcfakes.stats import rows

if TYPE_CHECKING:
    from tmcfakes.fake import FakeTmc

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LABELS = ("app_key", "group", "environment")


class QueueCollector(Collector):
    """Reads the engine when somebody asks, so that counting costs nothing while nobody does.

    Args:
        tmc: whose numbers.
    """

    def __init__(self, tmc: FakeTmc) -> None:
        self._tmc = tmc

    def collect(self) -> Iterator[Metric]:
        produced = CounterMetricFamily("tmc_produced", "Messages that entered the queue of the group.", labels=LABELS)
        consumed = CounterMetricFamily(
            "tmc_consumed", "Deliveries: messages pushed, or handed out over HTTP, each time.", labels=LABELS
        )
        confirmed = CounterMetricFamily("tmc_confirmed", "Messages that were settled by a confirm.", labels=LABELS)
        connections = GaugeMetricFamily("tmc_connections", "Connections that take the messages.", labels=LABELS)
        backlog = GaugeMetricFamily("tmc_backlog", "Messages that are not settled.", labels=LABELS)
        for row in self._tmc.do(lambda service, now: rows(service, now=now)):
            labels = (row.app_key, row.group, row.environment)
            produced.add_metric(labels, row.counts.produced)
            consumed.add_metric(labels, row.counts.pushed)
            confirmed.add_metric(labels, row.counts.confirmed)
            connections.add_metric(labels, row.connections)
            backlog.add_metric(labels, row.backlog)
        yield from (produced, consumed, confirmed, connections, backlog)


def exposition(tmc: FakeTmc) -> bytes:
    """The numbers as Prometheus scrapes them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(QueueCollector(tmc))
    return generate_latest(registry)
