"""Every layout is read back as it was generated; what is missing or malformed is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.data.cityflow import middle_images
from reid_models.data.generate import TINY, make_passages, write_dataset
from reid_models.data.layouts import Passage
from reid_models.data.registry import DATASETS, load_split, load_tasks, splits_of, tasks_of
from reid_models.data.samples import ReidSamples

TASK_OF = {"two-view": "val", "veri-776": "test", "cityflow-reid": "local-scene", "vehicleid": "test-800",
           "veri-wild": "test-3000", "csv": "test", "run": "all"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny data set in every layout."""
    folder = tmp_path_factory.mktemp("sets")
    for name in DATASETS:
        write_dataset(name, folder / name, TINY_WITH_TEST)
    return {name: folder / name for name in DATASETS}


TINY_WITH_TEST = type(TINY)(**{**TINY.__dict__, "test_vehicles": 3})


def copy_of(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root, tmp_path / "copy"))


def passages(first: int = 0, last: int = 99, held_out: int = 0) -> list[Passage]:
    every = list(make_passages(TINY_WITH_TEST, None, held_out))
    return [p for p in every if first <= p.identity <= last]


def counted(parts: list[Passage]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for p in parts:
        counts[p.identity, p.camera] = counts.get((p.identity, p.camera), 0) + len(p.crops_rgb)
    return counts


def counted_samples(samples: ReidSamples) -> dict[tuple[int, int], int]:
    keys, counts = np.unique(np.stack([samples.identities, samples.cameras]), axis=1, return_counts=True)
    return dict(zip(map(tuple, keys.T.tolist()), counts.tolist(), strict=True))


@pytest.mark.parametrize("name", DATASETS)
def test_every_task_loads_and_its_answers_are_in_other_cameras(name: str, roots: dict[str, Path]) -> None:
    for task in load_tasks(name, roots[name], TASK_OF[name]):
        assert all(path.is_file() for path in (*task.query.paths, *task.gallery.paths))
        assert task.relevance.good.lengths.sum() > 0
        for q in range(len(task.query)):
            good = task.relevance.good.of(q)
            assert (task.gallery.identities[good] == task.query.identities[q]).all()
            if name != "vehicleid":
                assert (task.gallery.cameras[good] != task.query.cameras[q]).all()


@pytest.mark.parametrize("name", DATASETS)
def test_training_images_are_what_was_generated(name: str, roots: dict[str, Path]) -> None:
    train = load_split(name, roots[name], "train")
    assert len(train) > 0
    if name in ("veri-776", "veri-wild"):
        assert counted_samples(train) == counted(passages(last=4))
    if name == "cityflow-reid":
        assert counted_samples(train) == counted(passages(last=999, held_out=2))
        assert len(np.unique(train.tracklets)) == len(passages(last=999, held_out=2))


@pytest.mark.parametrize("name", DATASETS)
def test_every_named_split_loads(name: str, roots: dict[str, Path]) -> None:
    for split in splits_of(name):
        assert len(load_split(name, roots[name], split)) > 0
    for split in tasks_of(name):
        assert load_tasks(name, roots[name], split)


@pytest.mark.parametrize(("name", "split", "missing", "named"), [
    ("two-view", "val", "val.txt", "val.txt"), ("two-view", "val", "images", "images"),
    ("veri-776", "test", "name_test.txt", "name_test.txt"), ("veri-776", "test", "image_query", "image_query"),
    ("veri-776", "test", "jk_image.txt", "jk_image.txt"),
    ("cityflow-reid", "local-scene", "train_label.xml", "train_label.xml"),
    ("cityflow-reid", "local-scene", "train_track.txt", "train_track.txt"),
    ("cityflow-reid", "test", "test_track.txt", "test_track.txt"),
    ("cityflow-reid", "test", "image_test", "image_test"),
    ("vehicleid", "test-800", "train_test_split/test_list_800.txt", "test_list_800.txt"),
    ("vehicleid", "test-800", "image", "image"),
    ("veri-wild", "test-3000", "train_test_split/vehicle_info.txt", "vehicle_info.txt"),
    ("veri-wild", "test-3000", "images", "images"), ("csv", "test", "manifest.csv", "manifest.csv"),
    ("run", "all", "tracklets.csv", "tracklets.csv"), ("run", "all", "cameras", "cameras"),
])
def test_a_missing_part_is_named(name: str, split: str, missing: str, named: str, roots: dict[str, Path],
                                 tmp_path: Path) -> None:
    root = copy_of(roots[name], tmp_path)
    target = root / missing
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(InputError, match=named):
        load_tasks(name, root, split)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "run"])  # a run may drop crops
def test_a_half_unpacked_set_names_the_first_missing_image(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots[name], tmp_path)
    victim = load_tasks(name, root, TASK_OF[name])[0].gallery.paths[-1]
    victim.unlink()
    with pytest.raises(InputError, match=victim.name):
        load_tasks(name, root, TASK_OF[name])


def test_unknown_names_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="veri-776"):
        load_split("veri776", tmp_path, "train")
    with pytest.raises(ConfigError, match="local-scene"):
        load_tasks("cityflow-reid", tmp_path, "local")
    with pytest.raises(InputError, match="nowhere"):
        load_split("veri-776", tmp_path / "nowhere", "train")


@pytest.mark.parametrize("name", ["veri-776", "cityflow-reid", "vehicleid", "veri-wild"])
def test_the_folder_above_will_do(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(roots[name], tmp_path / "archive" / "set")
    assert len(load_split(name, tmp_path, "train")) == len(load_split(name, roots[name], "train"))


def test_two_sets_below_the_folder_are_not_guessed_between(roots: dict[str, Path], tmp_path: Path) -> None:
    for copy in ("a", "b"):
        shutil.copytree(roots["veri-776"], tmp_path / copy)
    with pytest.raises(InputError, match="Give --data the one"):
        load_split("veri-776", tmp_path, "train")


# --- VeRi-776


def test_veri_lists_and_names_agree_and_tracks_are_read(roots: dict[str, Path]) -> None:
    task = load_tasks("veri-776", roots["veri-776"], "test")[0]
    assert (task.junk_rule, task.note) == ("gt_image.txt and jk_image.txt", "")
    assert len(np.unique(task.gallery.tracklets)) == len(passages(first=5))
    assert task.gallery.tracklets.min() == 0


def test_veri_without_lists_and_with_numbered_lists(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["veri-776"], tmp_path)
    from_names = load_tasks("veri-776", root, "test")[0].relevance
    for word, old in (("gt_image.txt", "gt_index_776.txt"), ("jk_image.txt", "jk_index_776.txt")):
        lists = from_names.good if word.startswith("gt") else from_names.junk
        (root / word).unlink()
        (root / old).write_text("".join(" ".join(map(str, lists.of(q) + 1)) + " 0 0\n" for q in range(len(lists))))
    numbered = load_tasks("veri-776", root, "test")[0]
    assert numbered.junk_rule.startswith("gt_index_776.txt")
    assert np.array_equal(numbered.relevance.good.rows, from_names.good.rows)
    for old in ("gt_index_776.txt", "jk_index_776.txt"):
        (root / old).unlink()
    bare = load_tasks("veri-776", root, "test")[0]
    assert bare.junk_rule == "same-identity-and-camera"
    assert np.array_equal(bare.relevance.junk.rows, from_names.junk.rows)


def test_veri_lists_that_differ_from_the_names_win_and_say_so(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["veri-776"], tmp_path)
    lines = (root / "gt_image.txt").read_text().splitlines()
    dropped = lines[0].split()[0]
    (root / "gt_image.txt").write_text("\n".join([" ".join(lines[0].split()[1:]), *lines[1:]]))
    task = load_tasks("veri-776", root, "test")[0]
    assert "differ from the names" in task.note
    assert dropped not in [task.gallery.paths[row].name for row in task.relevance.good.of(0)]
    (root / "gt_image.txt").write_text("\n".join(lines[:-1]) + "\nsomething.jpg\n")
    with pytest.raises(InputError, match=r"something\.jpg"):
        load_tasks("veri-776", root, "test")


def test_veri_types_become_kinds(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["veri-776"], tmp_path)
    names = (root / "name_train.txt").read_text().split()
    items = "".join(f'<Item imageName="{n}" vehicleID="1" cameraID="c001" colorID="1" typeID="2" />' for n in names)
    (root / "train_label.xml").write_bytes(
        f'<?xml version="1.0" encoding="gb2312"?><TrainingImages><Items>{items}</Items></TrainingImages>'.encode())
    (root / "list_type.txt").write_text("1 sedan\n2 suv\n")
    assert set(load_split("veri-776", root, "train").kinds) == {"suv"}


def test_an_image_on_two_tracks_is_an_error(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["veri-776"], tmp_path)
    text = (root / "test_track.txt").read_text()
    (root / "test_track.txt").write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(InputError, match="also on line 1"):
        load_split("veri-776", root, "test")


# --- CityFlow-ReID


def test_cityflow_local_split_is_cut_by_identity_and_scene(roots: dict[str, Path]) -> None:
    root = roots["cityflow-reid"]
    held_out, rest = load_split("cityflow-reid", root, "local-scene"), load_split("cityflow-reid", root, "local-train")
    assert held_out.identities.max() <= 95 < rest.identities.min()
    assert len(held_out) + len(rest) == len(load_split("cityflow-reid", root, "train"))
    task = load_tasks("cityflow-reid", root, "local-scene")[0]
    assert "0 of its" in task.note
    assert task.labelled
    pairs = list(zip(task.query.identities.tolist(), task.query.cameras.tolist(), strict=True))
    assert pairs == sorted(set(zip(held_out.identities.tolist(), held_out.cameras.tolist(), strict=True)))


def test_middle_images_come_from_the_first_track() -> None:
    samples = ReidSamples(tuple(Path(f"{i}") for i in range(7)), [2, 1, 1, 1, 1, 1, 2], [1] * 7, [9, 5, 4, 4, 4, 5, 9],
                          ("",) * 7)
    assert middle_images(samples).tolist() == [3, 6]


def test_cityflow_releases_of_2020_and_2021(roots: dict[str, Path], tmp_path: Path) -> None:
    write_dataset("cityflow-reid", tmp_path / "new", TINY_WITH_TEST, release=2021)
    old, new = (load_tasks("cityflow-reid", root, "test")[0] for root in (roots["cityflow-reid"], tmp_path / "new"))
    assert (old.labelled, new.labelled) == (False, False)
    assert (old.query.cameras == -1).all()
    assert (new.query.cameras >= 1).all()
    assert (new.gallery.cameras >= 1).all()
    assert [p.name for p in old.gallery.paths] == [p.name for p in new.gallery.paths]
    assert (old.gallery.tracklets >= 0).all()
    shutil.rmtree(tmp_path / "new" / "image_query")
    with pytest.raises(InputError, match="image_query"):
        load_tasks("cityflow-reid", tmp_path / "new", "test")


XML = '<?xml version="1.0" encoding="{}"?>\n<TrainingImages><Items>{}</Items></TrainingImages>'
ITEM = '<Item imageName="{}" vehicleID="{}" cameraID="{}" note="车" />'


@pytest.mark.parametrize(("claimed", "actual"), [("gb2312", "gb2312"), ("gb2312", "utf-8"), ("utf-8", "utf-8"),
                                                  ("gb2312", "utf-8-sig"), ("utf-8", "gb2312")])
def test_labels_are_read_whatever_their_header_claims(claimed: str, actual: str, roots: dict[str, Path],
                                                      tmp_path: Path) -> None:
    root = copy_of(roots["cityflow-reid"], tmp_path)
    expected = load_split("cityflow-reid", root, "train")
    items = "".join(ITEM.format(path.name, f"{v:04d}", f"c{c:03d}") for path, v, c in zip(
        expected.paths, expected.identities, expected.cameras, strict=True))
    (root / "train_label.xml").write_bytes(XML.format(claimed, items).encode(actual))
    assert np.array_equal(load_split("cityflow-reid", root, "train").identities, expected.identities)


@pytest.mark.parametrize("prefix", [
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
    '<!DOCTYPE x SYSTEM "http://example.invalid/x.dtd">'])
def test_document_types_are_refused(prefix: str, roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["cityflow-reid"], tmp_path)
    body = XML.format("utf-8", ITEM.format("000001.jpg", "0001", "c001")).split("\n", 1)[1]
    (root / "train_label.xml").write_text(prefix + body, encoding="utf-8")
    with pytest.raises(InputError, match="document type"):
        load_split("cityflow-reid", root, "train")


@pytest.mark.parametrize("text", ["", "<a/>", "<Items><Item vehicleID='1'/></Items>", "<Items><Item", "not xml",
                                  "<Items><Item imageName='000001.jpg' vehicleID='x' cameraID='c001'/></Items>",
                                  "<Items><Item imageName='000001.jpg' vehicleID='1'/></Items>"])
def test_malformed_labels_are_named(text: str, roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["cityflow-reid"], tmp_path)
    (root / "train_label.xml").write_text(text)
    with pytest.raises(InputError, match=r"train_label\.xml"):
        load_split("cityflow-reid", root, "train")


# --- the others


def test_two_view_directions_and_identities(roots: dict[str, Path]) -> None:
    task = load_tasks("two-view", roots["two-view"], "val")[0]
    assert set(task.groups) == {"cam1->cam2", "cam2->cam1"}
    assert set(load_split("two-view", roots["two-view"], "train").identities).isdisjoint(task.query.identities)


@pytest.mark.needs_data
def test_the_real_two_view_set(shared_data: Path) -> None:
    root = shared_data / "vehicle-reid-2cam"
    train, task = load_split("two-view", root, "train"), load_tasks("two-view", root, "val")[0]
    assert (len(train), len(np.unique(train.identities)), len(task.query)) == (810, 405, 204)
    assert set(train.kinds) == {"car", "motorcycle", "truck", "bus"}
    assert (task.relevance.good.lengths == 1).all()
    assert (task.relevance.junk.lengths == 102).all()
    assert set(train.identities).isdisjoint(task.query.identities)


def test_vehicleid_draws_one_gallery_image_a_vehicle_ten_times(roots: dict[str, Path]) -> None:
    tasks = load_tasks("vehicleid", roots["vehicleid"], "test-800")
    assert len(tasks) == 10
    whole = load_split("vehicleid", roots["vehicleid"], "test-800")
    for task in tasks:
        assert sorted(task.gallery.identities) == np.unique(whole.identities).tolist()
        assert len(task.query) + len(task.gallery) == len(whole)
        assert (task.relevance.good.lengths == 1).all()
    assert len({task.gallery.paths for task in tasks}) > 1
    again = load_tasks("vehicleid", roots["vehicleid"], "test-800")
    assert [t.gallery.paths for t in again] == [t.gallery.paths for t in tasks]


def test_csv_roles_words_and_own_passage(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["csv"], tmp_path)
    rows = (root / "manifest.csv").read_text().splitlines()
    bare = ["path,identity,split"] + [",".join((r.split(",")[0], r.split(",")[1], "mine")) for r in rows[1:]]
    (root / "bare.csv").write_text("\n".join(bare))
    task = load_tasks("csv", root / "bare.csv", "mine")[0]
    assert (task.relevance.junk.lengths == 1).all(), "without cameras and tracks only the image itself is junk"
    roled = [rows[0]] + [row[:-1] + ",query" if i == 1 else row for i, row in enumerate(rows) if i]
    (root / "manifest.csv").write_text("\n".join(roled))
    assert len(load_tasks("csv", root, "train")[0].gallery) == len(load_split("csv", root, "train")) - 1


@pytest.mark.parametrize(("header", "row", "named"), [
    ("path,identty", "a.jpg,1", "identty"), ("path", "a.jpg", "identity"), ("path,identity", "a.jpg", "fields"),
    ("path,identity,role", "a.jpg,1,both", "both"), ("path,identity", "nowhere.jpg,1", r"nowhere\.jpg")])
def test_csv_faults_are_named(header: str, row: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(InputError, match=named):
        load_split("csv", tmp_path, "train")


def test_run_folder_identities_are_the_runs_or_a_persons(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["run"], tmp_path)
    samples = load_split("run", root, "all")
    assert len(samples) == sum(len(p.crops_rgb) for p in passages())
    assert len(np.unique(samples.tracklets)) == len(passages())
    rows = (root / "tracklets.csv").read_text().splitlines()
    judged = [rows[0] + ",identity", rows[1] + ",bus 7", *(row + "," for row in rows[2:])]
    (root / "tracklets.csv").write_text("\n".join(judged))
    assert len(np.unique(load_split("run", root, "all").tracklets)) == 1
    (root / "tracklets.csv").write_text("camera_id,track_id,global_id\nc001,x,1\n")
    with pytest.raises(InputError, match="line 2"):
        load_split("run", root, "all")


def test_run_folder_with_an_unusual_camera_name(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(roots["run"], tmp_path)
    before = len(load_split("run", root, "all"))
    (root / "cameras" / "c001").rename(root / "cameras" / "%3Dgate 1%2Fä".replace("ä", "%C3%A4"))
    table = (root / "tracklets.csv").read_text().replace("c001,", "'=gate 1/ä,")
    (root / "tracklets.csv").write_text(table, encoding="utf-8")
    assert len(load_split("run", root, "all")) == before
