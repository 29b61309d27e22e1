import os

from workers.cluster.pulse import is_alive, pulse_of


def test_a_pulse_is_seen_while_it_is_fresh(tmp_path):
    pulse = tmp_path / "pulse"
    assert not is_alive(pulse, 60)
    pulse.touch()
    assert is_alive(pulse, 60)
    os.utime(pulse, (0, 0))
    assert not is_alive(pulse, 60)


def test_workers_of_other_users_have_a_pulse_of_their_own(monkeypatch):
    mine = pulse_of("sink")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert pulse_of("sink") != mine
