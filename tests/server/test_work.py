"""The queue: how many run and wait, who is refused, what takes too long, and the end."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from saymask.errors import InputError
from saymask.server.limits import Limits
from saymask.server.refusal import Refusal
from saymask.server.work import Work
from tests.server.serving import running


def test_the_queue_is_bounded():
    release, running_now, most = threading.Event(), [], []

    def job():
        running_now.append(1)
        most.append(len(running_now))
        release.wait(20)
        running_now.pop()
        return "done"

    async def ask():
        work = Work(Limits(threads=2, queue=3))
        jobs = [asyncio.create_task(work.run(job)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert work.taken == 5
        with pytest.raises(Refusal, match="busy") as refusal:
            await work.run(job)
        assert (refusal.value.status, refusal.value.retry_after) == (429, 2)
        with pytest.raises(Refusal):
            async with work.place():
                pass
        release.set()
        assert await asyncio.gather(*jobs) == ["done"] * 5
        assert work.taken == 0
        async with work.place():
            assert work.taken == 1
        assert work.taken == 0
        work.close()

    asyncio.run(ask())
    assert max(most) == 2


def test_nobody_waits_for_ever():
    release, ran = threading.Event(), []

    async def ask():
        work = Work(Limits(threads=1, queue=1, seconds=1))
        slow = asyncio.create_task(work.run(lambda: release.wait(20)))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(work.run(lambda: ran.append(1)))
        for job in (slow, waiting):
            with pytest.raises(Refusal, match="no answer within 1 s") as refusal:
                await job
            assert refusal.value.status == 504
        assert work.taken == 1  # the one that runs cannot be stopped
        release.set()
        while work.taken:
            await asyncio.sleep(0.01)
        assert await work.run(lambda: "next") == "next"
        work.close()

    asyncio.run(ask())
    assert not ran


def test_errors_of_a_job_are_its_own():
    async def ask():
        work = Work(Limits())
        for error in (InputError("no"), TimeoutError("its own"), MemoryError()):

            def job(error=error):
                raise error

            with pytest.raises(type(error)):
                await work.run(job)
        assert work.taken == 0
        work.close()

    asyncio.run(ask())


def test_the_end_waits_for_what_runs():
    async def ask():
        work = Work(Limits(threads=1))
        begun, done = threading.Event(), []

        def job():
            begun.set()
            time.sleep(0.2)
            done.append("it")

        task = asyncio.create_task(work.run(job))
        await asyncio.to_thread(begun.wait, 30)
        work.close()
        assert done == ["it"]
        await task

    asyncio.run(ask())


@pytest.mark.parametrize("name", ["upload_mb", "scans", "memory_mb", "seconds", "threads"])
def test_limits_that_leave_nothing_to_do(name):
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}: expected at least 1, got 0"):
        Limits(**{name: 0}).check()
    with pytest.raises(InputError, match="--queue"):
        Limits(queue=-1).check()
    Limits(queue=0).check()


@pytest.mark.usefixtures("read_here")
def test_a_full_queue_over_http(quick_model, scans, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    release, begun = threading.Event(), threading.Event()
    with running(quick_model, tmp_path / "data", root=scans, threads=1, queue=1) as server:
        remote = server.client.load("a.ply")
        expected = remote.refer("a box")
        ask = server.service.ask

        def slow(*args):
            begun.set()
            assert release.wait(30)
            return ask(*args)

        monkeypatch.setattr(server.service, "ask", slow)
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(remote.refer, "a box")]
            assert begun.wait(30)
            waiting.append(pool.submit(remote.refer, "a box"))
            while server.client.health().taken < 2:  # the server still says how it is
                time.sleep(0.01)
            full = httpx.post(f"{server.url}/scans/{remote.id}/refer", json={"sentences": ["a box"]})
            assert (full.status_code, full.headers["retry-after"]) == (429, "2")
            upload = httpx.post(f"{server.url}/scans/upload?name=a.ply", content=b"ply")
            assert upload.status_code == 429
            release.set()
            assert [answer.result() for answer in waiting] == [expected] * 2
        assert remote.refer("a box") == expected
        assert list((tmp_path / "data").glob(".incoming-*")) == []


@pytest.mark.usefixtures("read_here")
def test_what_takes_too_long_over_http(quick_model, scans, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    release = threading.Event()
    with running(quick_model, tmp_path / "data", root=scans) as server:
        remote = server.client.load("a.ply")
        expected = remote.refer("a box")
        ask, limits = server.service.ask, server.service.limits
        monkeypatch.setattr(server.service, "ask", lambda *args: (release.wait(30), ask(*args))[1])
        usual = limits.seconds
        object.__setattr__(limits, "seconds", 1)  # for this request alone: any other may take longer on a busy machine
        with pytest.raises(Refusal, match="no answer within 1 s") as refusal:
            remote.refer("a box")
        assert refusal.value.status == 504
        object.__setattr__(limits, "seconds", usual)
        release.set()
        assert remote.refer("a box") == expected


@pytest.mark.usefixtures("read_here")
def test_a_scan_that_is_forgotten_while_it_is_encoded_is_not_kept(quick, monkeypatch):
    remote = quick.client.load("a.ply")
    encoded, release = threading.Event(), threading.Event()

    def on_encoded(seconds):
        encoded.set()
        assert release.wait(30)

    monkeypatch.setattr(quick.service, "on_encoded", on_encoded)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(remote.refer, "a box")
        assert encoded.wait(30)
        remote.forget()
        release.set()
        assert answer.result().points == 3000
    assert len(quick.service.scenes) == 0
