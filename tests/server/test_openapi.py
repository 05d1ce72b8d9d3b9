"""The OpenAPI document tells the truth: made-up requests, good and bad, get the answers that it promises."""

import httpx
import pytest

from tests.server.serving import running, write_cloud

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 100
"""Requests in all; the same at every run."""


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_made_up_requests_get_what_is_promised(model, tmp_path):
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from schemathesis import checks

    (tmp_path / "data").mkdir()
    (tmp_path / "root").mkdir()
    write_cloud(tmp_path / "root" / "a.ply")
    with running(model, tmp_path / "data", root=tmp_path / "root") as server:
        known = server.client.load("a.ply").id
        document = httpx.get(f"{server.url}/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=server.url)
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) == len([1 for methods in document["paths"].values() for _ in methods]) == 14
        cases = st.one_of(
            [
                operation.as_strategy(generation_mode=mode)
                for operation in operations
                for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
            ]
        )
        seen: dict[str, set[int]] = {}

        @settings(
            max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=cases, at_a_scan=st.booleans())
        def check(case, at_a_scan: bool) -> None:
            if at_a_scan and case.method != "DELETE" and "id" in case.path_parameters:
                case.path_parameters["id"] = known
            response = case.call(timeout=60)
            seen.setdefault(f"{case.method} {case.path}", set()).add(response.status_code)
            # Not that good forms are taken: an empty sentence, or a path where nothing is, has a good form.
            case.validate_response(
                response,
                checks=[
                    checks.not_a_server_error,
                    schemathesis.specs.openapi.checks.status_code_conformance,
                    schemathesis.specs.openapi.checks.content_type_conformance,
                    schemathesis.specs.openapi.checks.response_schema_conformance,
                    schemathesis.specs.openapi.checks.negative_data_rejection,
                ],
            )

        check()
        assert len(seen) > 10
        assert {200, 404, 422} <= set.union(*seen.values())
        assert len([name for name, codes in seen.items() if "/scans/{id}/" in name and 200 in codes]) >= 2
        assert server.client.scene(known).refer("a box").points == 3000
