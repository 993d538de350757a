"""The benchmarks' own code, on tiny sizes and without timing: what is fed arrives, what is counted is right."""

from bench.rows import idle, noop, steady, storm, sync


def test_a_noop_resync_reconciles_every_primary_once_without_a_request() -> None:
    found = noop.measure("kaito", objects=20)
    assert found["reconciles"] == 20
    assert found["requests"] == 0


def test_a_cold_sync_ends_with_the_servers_objects() -> None:
    found = sync.measuring(30)("kaito")
    assert found["reconciles"] >= 30
    assert found["lost"] == 0


def test_a_cold_sync_from_a_server_without_streaming_lists_ends_with_its_objects() -> None:
    assert sync.measuring(30, "--no-streaming-lists")("kaito")["lost"] == 0


def test_steady_updates_are_all_sent_and_the_last_of_each_object_is_seen() -> None:
    found = steady.measure("kaito", objects=5, rate=100, seconds=1)
    assert found["events sent"] == 100
    assert found["lost"] == 0


def test_a_relist_storm_shows_each_change_made_meanwhile_once() -> None:
    found = storm.measure("kaito", objects=30, storms=1, changes=3)
    assert found["changes made"] == 9
    assert found["changes lost or too many"] == 0
    assert found["state wrong"] == 0


def test_an_idle_leader_asks_for_nothing_but_watches_and_its_lease() -> None:
    (run,) = idle.run(["kaito"], 1, objects=5, minute=1.0)
    assert run.figures["requests but watches and Leases"] == 0
