"""A node's cable is cut."""

from __future__ import annotations

from tests.parts.lab import LabUnderTest, eventually


def test_a_cut_node_is_down_then_ready_and_its_containers_run_on(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "cut", "--constraint", "node.name==node3", shoal.image)
    before = shoal.inspect("cut")
    shoal.lab("partition", "node3")
    try:
        eventually(lambda: shoal.node_state("node3") == "DOWN", seconds=20, what="node3 down")
        told = shoal.inspect("cut")
        assert told["placement"] == before["placement"]
        assert "down" in told["detail"]
        assert "down" in shoal.out("ps", "--no-trunc")
        pid = before["status"]["pid"]
        assert shoal.inside("node3", "sh", "-c", f"kill -0 {pid} && echo alive") == "alive"
        refused = shoal.run("exec", "cut", "true", ok=False, timeout=60)
        assert "node3" in refused.stderr
    finally:
        shoal.lab("heal", "node3")
    eventually(lambda: shoal.node_state("node3") == "READY", seconds=20, what="node3 ready")
    after = shoal.inspect("cut")
    assert after["placement"] == before["placement"]
    assert after["status"] == before["status"]
    eventually(lambda: shoal.run("exec", "cut", "true", ok=None).returncode == 0, seconds=20, what="exec again")
