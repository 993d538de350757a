"""Watches over HTTP: from where they start, what they show, and how they end."""

CONFIG_MAPS = "/api/v1/configmaps"
HERE = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def make(api, name: str, **labels: str):
    return (await api("POST", HERE, {"metadata": {"name": name, "labels": labels}})).body


async def test_a_watch_without_a_version_begins_with_what_is_there(api):
    await make(api, "a")
    async with api.watch(CONFIG_MAPS) as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        await make(api, "b")
        await api.merge(f"{HERE}/a", {"data": {"x": "1"}})
        await api("DELETE", f"{HERE}/b")
        assert await watch.take(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_a_watch_from_a_version_replays_what_was_missed(api):
    version = (await make(api, "a"))["metadata"]["resourceVersion"]
    await make(api, "b")
    last = (await api.merge(f"{HERE}/a", {"data": {"x": "1"}})).body
    async with api.watch(CONFIG_MAPS, resourceVersion=version) as watch:
        assert (await watch.next())["object"]["metadata"]["name"] == "b"
        event = await watch.next()
        assert (event["type"], event["object"]) == ("MODIFIED", last)


async def test_a_selector_turns_leaving_into_deletion_and_coming_into_addition(api):
    await make(api, "a", team="x")
    version = (await make(api, "b", team="y"))["metadata"]["resourceVersion"]
    moves = [("a", "y"), ("b", "x"), ("b", "x2"), ("a", "z")]
    async with api.watch(CONFIG_MAPS, labelSelector="team in (x)", resourceVersion=version) as live:
        for name, team in moves:
            await api.merge(f"{HERE}/{name}", {"metadata": {"labels": {"team": team}}})
        seen = await live.take(3)
    assert seen == [("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")]
    async with api.watch(CONFIG_MAPS, labelSelector="team in (x)", resourceVersion=version) as replayed:
        first = await replayed.take(2)
    assert first == [("DELETED", "a"), ("MODIFIED", "b")] or first == [("DELETED", "a"), ("ADDED", "b")]


async def test_namespaces_and_names_narrow_a_watch(api):
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    await make(api, "a")
    async with api.watch("/api/v1/namespaces/team/configmaps") as there, api.watch(f"{HERE}/a") as one:
        await make(api, "b")
        await api("POST", "/api/v1/namespaces/team/configmaps", {"metadata": {"name": "c"}})
        await api.merge(f"{HERE}/a", {"data": {"x": "1"}})
        assert await there.take(1) == [("ADDED", "c")]
        assert await one.take(2) == [("ADDED", "a"), ("MODIFIED", "a")]


async def test_a_streaming_list_ends_with_a_marked_bookmark(api):
    await make(api, "a")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(CONFIG_MAPS, **query) as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        mark = await watch.next()
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await make(api, "b")
        assert await watch.take(1) == [("ADDED", "b")]
    assert (await api("GET", CONFIG_MAPS, watch="true", sendInitialEvents="true")).code == 422


async def test_bookmarks_come_when_they_are_asked_for(start):
    _, api = await start(bookmark_seconds=0.05)
    version = (await make(api, "a"))["metadata"]["resourceVersion"]
    async with api.watch("/api/v1/secrets", resourceVersion=version, allowWatchBookmarks="true") as watch:
        mark = await watch.next()
        assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "Secret")
        assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(version)


async def test_a_compacted_version_is_gone(api, server):
    version = (await make(api, "a"))["metadata"]["resourceVersion"]
    await make(api, "b")
    server.store.compact()
    async with api.watch(CONFIG_MAPS, resourceVersion=version) as watch:
        event = await watch.next()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert "too old resource version" in event["object"]["message"]
        assert await watch.ended()


async def test_a_version_that_is_yet_to_come_is_a_timeout(api):
    refused = await api("GET", CONFIG_MAPS, watch="true", resourceVersion="999999")
    assert refused.code == 504
    assert refused.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert refused.headers["Retry-After"] == "1"


async def test_a_watch_ends_at_its_time_out_with_a_bookmark(api):
    async with api.watch(CONFIG_MAPS, timeoutSeconds="1", allowWatchBookmarks="true", resourceVersion="1") as watch:
        assert (await watch.next())["type"] == "BOOKMARK"
        assert await watch.ended()


async def test_tables_and_metadata_alone_can_be_watched(api):
    await make(api, "a")
    async with api.watch(CONFIG_MAPS, accept=TABLE) as watch:
        first = (await watch.next())["object"]
        await make(api, "b")
        second = (await watch.next())["object"]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert (second["columnDefinitions"], second["rows"][0]["cells"][0]) == ([], "b")
    partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    async with api.watch(CONFIG_MAPS, accept=partial) as watch:
        assert (await watch.next())["object"]["kind"] == "PartialObjectMetadata"


async def test_events_are_watched_in_both_of_their_groups(api):
    async with api.watch("/apis/events.k8s.io/v1/events") as watch:
        body = {"metadata": {"name": "e"}, "involvedObject": {"name": "x", "namespace": "default"}, "message": "hello"}
        assert (await api("POST", "/api/v1/namespaces/default/events", body)).code == 201
        event = (await watch.next())["object"]
    assert (event["apiVersion"], event["note"], event["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "x")


async def test_shutdown_ends_watches(start):
    _, api = await start()
    async with api.watch(CONFIG_MAPS, resourceVersion="1") as watch:
        await make(api, "a")
        await watch.next()
        await start.stop()
        assert await watch.ended()
