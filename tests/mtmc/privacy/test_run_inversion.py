"""`tools/privacy_audit.py --generator` on a small run, from its own vehicles and from pictures of the attacker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtmc.errors import InputError
from mtmc.privacy import audit
from mtmc.privacy.inversion_training import InversionConfig
from mtmc.privacy.opening import vault_of_run
from mtmc.privacy.run_attributes import read_stored
from mtmc.privacy.run_inversion import embedder_of, invert_run


def test_the_generator_by_the_command(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = read_stored(small_run, vault_of_run(small_run))
    assert len(stored.crops) == len(stored.picture_rows) > 4
    own = small_run / "cameras" / "c001" / "crops"
    pictures = len(list(own.glob("*.jpg")))
    assert audit.main([str(small_run), "--generator", "2", "--own-pictures", str(own), "--json",
                       str(tmp_path / "a.json")]) == 0  # fmt: skip
    assert f"learned from {pictures} pairs and drew {len(stored.crops)} others" in capsys.readouterr().out
    told = json.loads((tmp_path / "a.json").read_text())["inversion"]
    assert told["rows"] == len(stored.crops)
    assert 0 <= told["true"] < told["mean_picture"]
    assert audit.main([str(small_run), "--own-pictures", str(own)]) == 2
    assert "--generator" in capsys.readouterr().err


def test_without_pictures_of_their_own_an_attacker_has_other_vehicles(small_run: Path) -> None:
    stored = read_stored(small_run, vault_of_run(small_run))
    assert embedder_of(small_run).dimension == stored.features.shape[1]
    config = InversionConfig(pixel=1, feature=0, adversarial=0, steps=2, batch=4)
    result, drawn = invert_run(small_run, stored, config)
    assert result.rows + result.learned_from == len(stored.crops)
    assert drawn.shape == (result.rows, 64, 64, 3)
    none = audit.audit_run(small_run)
    assert none.inversion is None
    assert audit.to_json(none)["inversion"] is None
    empty = type(stored)(stored.features, stored.vehicles, stored.attributes, stored.pictures[:0],
                         stored.picture_rows[:0], ())  # fmt: skip
    with pytest.raises(InputError, match="none kept"):
        invert_run(small_run, empty, config)
