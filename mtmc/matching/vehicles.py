"""From links to vehicles: components in which no two tracklets of one camera overlap in time."""

from __future__ import annotations

import numpy as np


class VehicleGroups:
    """A growing partition of M tracklets into vehicles, joined link by link, most confident first."""

    def __init__(self, camera_rows: np.ndarray, start_s: np.ndarray, end_s: np.ndarray) -> None:
        self._camera_rows, self._start_s, self._end_s = camera_rows, start_s, end_s
        self._leader = np.arange(len(camera_rows))
        self._members = [[row] for row in range(len(camera_rows))]

    def leader(self, row: int) -> int:
        """The row that stands for the vehicle of `row`."""
        return int(self._leader[row])

    def conflict(self, row_a: int, row_b: int) -> bool:
        """Whether joining the two vehicles would put two tracklets of one camera at the same time into one."""
        for a in self._members[self.leader(row_a)]:
            for b in self._members[self.leader(row_b)]:
                if a != b and self._camera_rows[a] == self._camera_rows[b] and (
                        self._start_s[a] <= self._end_s[b] and self._start_s[b] <= self._end_s[a]):
                    return True
        return False

    def join(self, row_a: int, row_b: int) -> None:
        """Make one vehicle of the two."""
        keep, drop = sorted((self.leader(row_a), self.leader(row_b)))
        if keep == drop:
            return
        self._members[keep] += self._members[drop]
        self._leader[self._members[drop]] = keep
        self._members[drop] = []

    def global_ids(self) -> np.ndarray:
        """int64 (M,), from 1, in order of first appearance (ties: end, then camera and row)."""
        ids = np.zeros(len(self._leader), np.int64)
        order = np.lexsort((np.arange(len(ids)), self._camera_rows, self._end_s, self._start_s))
        given = 0
        for row in order:
            leader = self.leader(row)
            if not ids[leader]:
                given += 1
                ids[leader] = given
        return ids[self._leader]


def join_links(groups: VehicleGroups, a: np.ndarray, b: np.ndarray, probability: np.ndarray,
               least: float) -> tuple[np.ndarray, np.ndarray]:
    """Join the pairs with at least `least`, most probable first; returns bool (P,) accepted, bool (P,) in conflict.

    Ties go to the pair of lower rows. The pairs already compete one to one, so that at 0.5 and above none
    contradicts another except over the cameras.
    """
    accepted, conflict = np.zeros(len(a), bool), np.zeros(len(a), bool)
    next_taken: set[int] = set()
    last_taken: set[int] = set()
    for row in np.lexsort((b, a, -probability)).tolist():
        if not probability[row] >= least:
            break
        i, j = int(a[row]), int(b[row])
        if i in next_taken or j in last_taken:
            continue
        if groups.conflict(i, j):
            conflict[row] = True
            continue
        groups.join(i, j)
        accepted[row] = True
        next_taken.add(i)
        last_taken.add(j)
    return accepted, conflict
