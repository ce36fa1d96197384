"""The metrics: the four numbers of the console, as Prometheus reads them."""

from __future__ import annotations

from control_by_hand import Caller, called
from prometheus_client.parser import text_string_to_metric_families

from tmcfakes.service import App

#: A name that the format of the metrics has to escape.
ODD = App(key='a "\\\n中', secret="s")


def read(text: str) -> dict[str, dict[tuple[str, str, str], float]]:
    """The samples by name and labels."""
    found: dict[str, dict[tuple[str, str, str], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            key = (labels["app_key"], labels["group"], labels["environment"])
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def test_what_happened_in_each_queue_is_counted() -> None:
    async def scenario(call: Caller) -> None:
        ids = (await call("POST", "messages", {"topic": "t", "content": "{}", "count": 5}))["ids"]
        call.tmc.do(
            lambda service, now: (
                service.consume(3, app_key="one", group="default", now=now, request=1),
                service.confirm(int(ids[0]), app_key="one", group="default", now=now, via="http"),
            )
        )
        answer = await call.ask("GET", "/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        here = ("one", "default", "production")
        assert {name: values[here] for name, values in read(answer.text).items()} == {
            "tmc_produced_total": 5,
            "tmc_consumed_total": 3,
            "tmc_confirmed_total": 1,
            "tmc_connections": 0,
            "tmc_backlog": 4,
        }

    called(scenario, apps=[App(key="one", secret="s")])


def test_every_group_is_there_before_anything_happened_to_it() -> None:
    async def scenario(call: Caller) -> None:
        produced = read((await call.ask("GET", "/metrics")).text)["tmc_produced_total"]
        assert produced == {
            ("one", "default", "production"): 0,
            ("one", "vip", "production"): 0,
            (ODD.key, "default", "production"): 0,
        }

    called(scenario, apps=[App(key="one", secret="s", groups=frozenset({"vip"})), ODD])


def test_two_services_in_one_process_count_for_themselves() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", {"topic": "t", "content": "{}"})

        async def other(caller: Caller) -> None:
            assert set(read((await caller.ask("GET", "/metrics")).text)["tmc_produced_total"].values()) == {0}

        await other_world(other)

    async def other_world(scenario: object) -> None:
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, called, scenario)

    called(scenario)


def test_they_are_read_and_nothing_else() -> None:
    async def scenario(call: Caller) -> None:
        answer = await call.ask("POST", "/metrics")
        assert (answer.status, answer.json) == (405, {"error": "/metrics takes GET, not POST"})

    called(scenario)
